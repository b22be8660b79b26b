#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "engine/backend/shared/turned_face.h"

namespace emo {
namespace {

std::unique_ptr<const ModelFile> open_model(const std::filesystem::path& path, std::size_t max_tensors) {
  if (path.empty()) return nullptr;
  return std::make_unique<const ModelFile>(path, max_tensors);
}

/// Largest misfit of landmarks that are drawn by, units; see FaceMotion::misfit.
constexpr float kSureMisfit = 0.2f;

}  // namespace

const char* name_of(Detail detail) {
  switch (detail) {
    case Detail::kSharp: return "sharp";
    case Detail::kAuto: return "auto";
    default: return "network";
  }
}

Engine::Engine(const EngineOptions& options)
    : generator_(open_model(options.generator, options.max_tensors)),
      speech_(open_model(options.speech, options.max_tensors)),
      reader_(open_model(options.reader, options.max_tensors)) {
  if (generator_) generator_->generator();  // a model of the other kind is refused here, by name
  if (speech_) speech_->speech();
  if (reader_) shape_ = std::make_unique<const FaceShape>(*reader_);
  if (reader_ && reader_->reader().triangles > 0) motion_ = std::make_unique<const FaceMotion>(*reader_);
  BackendOptions backend = options.backend;
  if (options.scheduler.max_contexts > 0) backend.max_contexts = options.scheduler.max_contexts;
  backend_ = open_backend({generator_.get(), speech_.get(), reader_.get()}, backend);
  SchedulerOptions scheduler = options.scheduler;
  const Capacity capacity = backend_->capacity();
  if (scheduler.max_batch == 0) scheduler.max_batch = capacity.mixed;
  if (scheduler.max_contexts == 0) scheduler.max_contexts = capacity.contexts;
  scheduler_ = std::make_unique<Scheduler>(scheduler, [backend = backend_.get()](std::span<Scheduler::Item* const> batch) {
    std::vector<RedrawJob> jobs;
    for (const Scheduler::Item* item : batch) jobs.push_back(*static_cast<const RedrawJob*>(item->job));
    backend->redraw(jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      batch[i]->error = static_cast<RedrawJob*>(batch[i]->job)->error = jobs[i].error;
    }
  });
}

const GeneratorConfig& Engine::generator_config() const {
  EMO_CHECK(generator_, "engine: opened without a generator");
  return generator_->generator();
}

const SpeechConfig& Engine::speech_config() const {
  EMO_CHECK(speech_, "engine: opened without a speech model");
  return speech_->speech();
}

const ReaderConfig& Engine::reader_config() const {
  EMO_CHECK(reader_, "engine: opened without a face reader");
  return reader_->reader();
}

std::vector<FaceReading> Engine::read(const ImageView& photo, std::span<const Box> faces) const {
  const ReaderConfig& config = reader_config();
  const int N = int(faces.size()), S = config.image_size, aus = int(config.au_names.size());
  const int values = 2 * kFacePoints + 1 + aus;
  const Shape one{1, 3, S, S};
  const HostBuffer<float> crops(one.count() * faces.size()), answers(std::size_t(values) * faces.size());
  std::vector<FaceReading> readings;
  if (faces.empty()) return readings;
  for (std::size_t n = 0; n < faces.size(); ++n) {
    crop_turned(photo, scaled(faces[n], config.crop_scale), {}, {crops.data() + n * one.count(), one}, row_by_row);
  }
  backend_->read_faces({crops.data(), {N, 3, S, S}}, {answers.data(), {N, values, 1, 1}});

  for (std::size_t n = 0; n < faces.size(); ++n) {
    const Box crop = scaled(faces[n], config.crop_scale);
    const float* answer = answers.data() + n * std::size_t(values);
    const float middle_x = crop.x + crop.side / 2, middle_y = crop.y + crop.side / 2;
    const float right = crop.side * std::cos(crop.roll), down = crop.side * std::sin(crop.roll);
    std::vector<Point> landmarks;
    for (int i = 0; i < kFacePoints; ++i) {
      const float u = answer[2 * i], v = answer[2 * i + 1];
      landmarks.push_back({middle_x + right * u - down * v, middle_y + down * u + right * v});
    }
    const Box box = shape_->box(landmarks);
    const float confidence = 1 / (1 + std::exp(-answer[2 * kFacePoints]));
    ActionUnits au(config.au_names, {answer + 2 * kFacePoints + 1, std::size_t(aus)});
    readings.push_back({confidence, std::move(landmarks), box, std::move(au)});
  }
  return readings;
}

Voice Engine::hear(std::span<const float> pcm) const { return {backend_->hear(pcm), speech_config(), pcm}; }

LiveVoice Engine::hear_live(double fps) const {
  EMO_CHECK(speech_, "engine: opened without a speech model");
  return {*speech_, fps};
}

FaceReading Engine::read_closely(const ImageView& photo, const Box& face) const {
  return read(photo, read(photo, face).box);
}

bool Engine::is_sure(const FaceReading& reading) const {
  return motion_ && reading.confidence >= reader_config().confidence_threshold &&
         motion_->misfit(reading.landmarks) <= kSureMisfit;
}

namespace {

/// Clamped to 1. Of the same names.
ActionUnits sum(const ActionUnits& a, const ActionUnits& b) {
  auto values = a.values();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += b.values()[i];
  return a.with(values);
}

}  // namespace

/// Whether a face may be drawn by moving the photo's own pixels.
bool Engine::is_moved(const FaceJob& job) const {
  if (job.drawing.detail == Detail::kNetwork || !job.out.data) return false;
  if (!motion_ && job.drawing.detail == Detail::kSharp) {
    fail(ErrorKind::kUsage, "`detail`: sharp needs a face reader that says how faces move; ",
         reader_ ? reader_->name() + " does not" : "the engine was opened without one");
  }
  return bool(motion_);
}

void Engine::check_reader_for(const Drawing& drawing) const {
  if (!drawing.relative || reader_) return;
  fail(ErrorKind::kUsage,
       "`relative`: the face reader reads what a photo shows, and none was opened; open one with `reader`");
}

/// What the reader sees of a job's face, when that matters for how it is drawn.
std::optional<FaceReading> Engine::reading_of(const FaceJob& job) const {
  check_reader_for(job.drawing);
  if (!is_moved(job) && !job.drawing.relative) return std::nullopt;
  if (job.cut && job.cut->reading) return job.cut->reading;
  return read_closely(job.photo, job.is_crop ? scaled(job.face, 1 / generator_config().crop_scale) : job.face);
}

CutFace Engine::cut(const ImageView& photo, const Box& face, const Drawing& drawing) const {
  check_reader_for(drawing);
  const auto& config = generator_config();
  const Shape shape{1, 3, config.image_size, config.image_size};
  const Box crop = scaled(face, config.crop_scale);
  CutFace cut{config.image_size, HostBuffer<float>(shape.count()), tone_of(photo, crop)};
  backend_->crop(photo, crop, {cut.planes.data(), shape});
  if (drawing.relative || (drawing.detail != Detail::kNetwork && motion_)) cut.reading = read_closely(photo, face);
  return cut;
}

/// The jobs of a call as the scheduler takes them.
struct Engine::Call {
  Call(const Engine& engine, std::span<FaceJob> jobs);
  void group(int whole);
  void take_errors() const {
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].error = items[i].error;
  }
  void throw_what_concerns_all() const;

  const std::span<FaceJob> jobs;
  std::vector<ActionUnits> aus, shown;
  std::vector<std::optional<FaceMesh>> meshes;
  std::vector<RedrawJob> redraws;
  std::vector<Scheduler::Item> items;
};

Engine::Call::Call(const Engine& engine, std::span<FaceJob> jobs) : jobs(jobs) {
  const GeneratorConfig& config = engine.generator_config();
  const auto side = float(config.image_size);
  aus.reserve(jobs.size()), shown.reserve(jobs.size()), meshes.reserve(jobs.size()), redraws.reserve(jobs.size());
  for (const FaceJob& job : jobs) {
    if (job.drawing.passes < 1 || job.drawing.passes > limits::kMaxPasses) {
      fail(ErrorKind::kUsage, "`passes`: ", job.drawing.passes, " came; 1 to ", limits::kMaxPasses, " are possible");
    }
    if (job.is_crop && job.face.side != side) {
      fail(ErrorKind::kInput, "`face`: a crop of ", job.face.side, " px came; this model takes one of ", side, " px");
    }
    const Box box = job.is_crop ? job.face : scaled(job.face, config.crop_scale);
    const std::optional<FaceReading> reading = engine.reading_of(job);
    ActionUnits& au = aus.emplace_back(job.au.reordered(config.au_names));
    if (job.drawing.relative) {
      shown.push_back(reading->au.reordered(config.au_names));
      au = sum(au, shown.back());
    }
    std::optional<FaceMesh>& mesh = meshes.emplace_back();
    if (engine.is_moved(job) && (job.drawing.detail == Detail::kSharp || engine.is_sure(*reading))) {
      const auto& names = engine.reader_config().au_names;
      mesh = engine.motion_->mesh(reading->landmarks, reading->au.values(), au.reordered(names).values());
    }
    RedrawJob& redraw = redraws.emplace_back(
        RedrawJob{.photo = job.photo,
                  .box = box,
                  .aus = au.values(),
                  .shown = job.drawing.relative ? std::span<const float>(shown.back().values()) : std::span<const float>(),
                  .passes = job.drawing.passes,
                  .mesh = mesh ? &*mesh : nullptr,
                  .cut = job.cut ? job.cut->view() : TensorView<const float>(),
                  .tone = job.cut ? job.cut->tone : tone_of(job.photo, box),
                  .out = job.out,
                  .after = job.after,
                  .mask = job.mask,
                  .colour = job.colour,
                  .sink = job.sink});
    items.push_back({.job = &redraw, .deadline = job.deadline});
  }
  group(engine.backend_->capacity().whole);
}

/// The backend threw it: it is neither a face's own nor the scheduler's.
void Engine::Call::throw_what_concerns_all() const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].error || redraws[i].error) continue;
    try {
      std::rethrow_exception(items[i].error);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kTimeout && e.kind() != ErrorKind::kCancelled) throw;
    }
  }
}

/// Groups of `whole` faces, as equal as can be, since a small rest might be drawn by another instruction; and no picture is
/// divided among groups, those who write it and those who read it.
void Engine::Call::group(int whole) {
  std::map<const void*, std::size_t> last;  // job that has to do with a picture that is written
  for (std::size_t i = 0; i < redraws.size(); ++i) {
    if (redraws[i].out.data) last[redraws[i].out.data] = i;
  }
  for (std::size_t i = 0; i < redraws.size(); ++i) {
    if (const auto found = last.find(redraws[i].photo.data); found != last.end()) found->second = std::max(found->second, i);
  }
  const auto last_of = [&last](const void* picture) {
    const auto found = last.find(picture);
    return found == last.end() ? 0 : found->second;
  };
  const std::size_t parts = (items.size() + std::size_t(whole) - 1) / std::size_t(whole);
  std::size_t begin = 0, end = 0, part = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].group = &items[begin];
    end = std::max({end, last_of(redraws[i].out.data), last_of(redraws[i].photo.data)});
    if (i < end || i + 1 < items.size() * (part + 1) / parts) continue;
    begin = i + 1;
    while (items.size() * (part + 1) / parts <= i + 1) ++part;
  }
}

void Engine::redraw(std::span<FaceJob> jobs, Scheduler::Client client) const {
  Call call(*this, jobs);
  if (std::ranges::any_of(jobs, [](const FaceJob& job) { return job.sink; })) {  // who watches layers is not in a hurry
    backend_->redraw(call.redraws);
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].error = call.redraws[i].error;
    return;
  }
  scheduler_->run(call.items, client);
  call.take_errors();
  call.throw_what_concerns_all();
}

std::shared_ptr<Scheduler::Request> Engine::submit(std::span<FaceJob> jobs, std::function<void()> done,
                                                   Scheduler::Client client) const {
  const auto call = std::make_shared<Call>(*this, jobs);
  for (const FaceJob& job : jobs) {
    if (job.sink) fail(ErrorKind::kUsage, "`sink`: redraw() shows the layers, submit() does not");
  }
  const auto finish = [call, done = std::move(done)] {
    call->take_errors();
    if (done) done();
  };
  return scheduler_->submit(call->items, finish, client);
}

void Engine::redraw_all(std::span<FaceJob> jobs) const {
  redraw(jobs);
  for (const FaceJob& job : jobs) {
    if (job.error) std::rethrow_exception(job.error);
  }
}

Image Engine::to_image(TensorView<const float> planes) const {
  const auto& config = generator_config();
  const bool bgr = config.channel_order == ChannelOrder::kBgr;
  Image image(planes.shape.W, planes.shape.H);
  const std::size_t plane = planes.shape.plane();
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const double v =
          (planes.data[(bgr ? 2 - c : c) * plane + i] - config.pixel_min) / (config.pixel_max - config.pixel_min);
      image.rgb[3 * i + c] = std::uint8_t(std::lround(std::clamp(v, 0.0, 1.0) * 255));
    }
  }
  return image;
}

}  // namespace emo
