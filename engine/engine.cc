#include "engine/engine.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace emo {
namespace {

std::unique_ptr<const ModelFile> open_model(const std::filesystem::path& path, std::size_t max_tensors) {
  if (path.empty()) return nullptr;
  return std::make_unique<const ModelFile>(path, max_tensors);
}

}  // namespace

Engine::Engine(const EngineOptions& options)
    : generator_(open_model(options.generator, options.max_tensors)),
      speech_(open_model(options.speech, options.max_tensors)) {
  if (generator_) generator_->generator();  // a model of the other kind is refused here, by name
  if (speech_) speech_->speech();
  backend_ = open_backend(generator_.get(), speech_.get(), options.backend);
}

const GeneratorConfig& Engine::generator_config() const {
  EMO_CHECK(generator_, "engine: opened without a generator");
  return generator_->generator();
}

const SpeechConfig& Engine::speech_config() const {
  EMO_CHECK(speech_, "engine: opened without a speech model");
  return speech_->speech();
}

ActionUnits Engine::aus(std::span<const float> pcm) const {
  const Matrix answer = backend_->speech(pcm, {});
  return sharpened({speech_config().au_names, answer.values}, speech_config().emotion_sharpness);
}

AuCurve Engine::aus_per_frame(std::span<const float> pcm, double fps) const {
  if (!(fps > 0 && fps <= 1000)) fail(ErrorKind::kUsage, "`fps`: ", fps, " came; more than 0 and at most 1000 is needed");
  const auto& config = speech_config();
  // A clip of any length has a first frame; a frame belongs to the clip when its time lies before the clip's end.
  const auto rows =
      std::max<std::size_t>(1, std::size_t(std::ceil(double(pcm.size()) / config.sample_rate_hz * fps - 1e-9)));
  AuCurve curve(config.au_names, std::vector<double>(rows));
  for (std::size_t i = 0; i < rows; ++i) curve.times_s[i] = double(i) / fps;
  const Matrix values = backend_->speech(pcm, curve.times_s);
  const ActionUnits neutral(config.au_names);
  for (int r = 0; r < values.rows; ++r) {
    const ActionUnits row = neutral.with({values.row(r), std::size_t(values.cols)});
    curve.set_row(std::size_t(r), sharpened(row, config.emotion_sharpness));
  }
  return curve;
}

CutFace Engine::cut(const ImageView& photo, const Box& face) const {
  const auto& config = generator_config();
  const Shape shape{1, 3, config.image_size, config.image_size};
  CutFace cut{config.image_size, HostBuffer<float>(shape.count())};
  backend_->crop(photo, scaled(face, config.crop_scale), {cut.planes.data(), shape});
  return cut;
}

void Engine::redraw(std::span<FaceJob> jobs) const {
  const auto& config = generator_config();
  const auto side = float(config.image_size);
  std::vector<ActionUnits> aus;
  std::vector<RedrawJob> redraws;
  aus.reserve(jobs.size());
  for (const FaceJob& job : jobs) {
    if (job.passes < 1 || job.passes > limits::kMaxPasses) {
      fail(ErrorKind::kUsage, "`passes`: ", job.passes, " came; 1 to ", limits::kMaxPasses, " are possible");
    }
    if (job.is_crop && job.face.side != side) {
      fail(ErrorKind::kInput, "`face`: a crop of ", job.face.side, " px came; this model takes one of ", side, " px");
    }
    redraws.push_back({.photo = job.photo,
                       .box = job.is_crop ? job.face : scaled(job.face, config.crop_scale),
                       .aus = aus.emplace_back(job.au.reordered(config.au_names)).values(),
                       .passes = job.passes,
                       .cut = job.cut ? job.cut->view() : TensorView<const float>(),
                       .out = job.out,
                       .after = job.after,
                       .mask = job.mask,
                       .colour = job.colour,
                       .sink = job.sink});
  }
  backend_->redraw(redraws);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].error = redraws[i].error;
}

void Engine::redraw_all(std::span<FaceJob> jobs) const {
  redraw(jobs);
  for (const FaceJob& job : jobs) {
    if (job.error) std::rethrow_exception(job.error);
  }
}

Image Engine::to_image(TensorView<const float> planes) const {
  const auto& config = generator_config();
  const bool bgr = config.channel_order == "bgr";
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
