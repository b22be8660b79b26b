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

/// Adds a pass's blend to that of the passes before: mask (N,1,H,W) and colour (N,3,H,W) go on to give what was drawn last
/// from the face as it was cut. `keeps`: a mask is the share of the face that is kept, not of the colour.
void blend_over(bool keeps, const Shape& shape, HostBuffer<float>& mask, HostBuffer<float>& colour,
                const HostBuffer<float>& next_mask, const HostBuffer<float>& next_colour) {
  const std::size_t plane = shape.plane();
  const auto kept = [keeps](float m) { return keeps ? m : 1 - m; };
  for (std::size_t n = 0; n < std::size_t(shape.N); ++n) {
    for (std::size_t i = 0; i < plane; ++i) {
      float& m = mask.data()[n * plane + i];
      const float next = kept(next_mask.data()[n * plane + i]), total = kept(m) * next;
      const float share = total < 1 ? (1 - next) / (1 - total) : 1;  // of the new colour in the colours together
      for (std::size_t c = 0; c < 3; ++c) {
        float& v = colour.data()[(3 * n + c) * plane + i];
        v += share * (next_colour.data()[(3 * n + c) * plane + i] - v);
      }
      m = kept(total);
    }
  }
}

}  // namespace

Engine::Engine(const EngineOptions& options)
    : generator_(open_model(options.generator, options.max_tensors)),
      speech_(open_model(options.speech, options.max_tensors)),
      passes_(options.passes) {
  if (passes_ < 1 || passes_ > limits::kMaxPasses) {
    fail(ErrorKind::kUsage, "--passes: ", passes_, " came; 1 to ", limits::kMaxPasses, " are possible");
  }
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
  if (!(fps > 0 && fps <= 1000)) fail(ErrorKind::kUsage, "--fps: ", fps, " came; more than 0 and at most 1000 is needed");
  const auto& config = speech_config();
  // A clip of any length has a first frame; a frame belongs to the clip when its time lies before the clip's end.
  const auto rows =
      std::max<std::size_t>(1, std::size_t(std::ceil(double(pcm.size()) / config.sample_rate_hz * fps - 1e-9)));
  AuCurve curve;
  for (std::size_t i = 0; i < rows; ++i) curve.times_s.push_back(double(i) / fps);
  const Matrix values = backend_->speech(pcm, curve.times_s);
  const ActionUnits neutral(config.au_names);
  for (int r = 0; r < values.rows; ++r) {
    const ActionUnits row = neutral.with({values.row(r), std::size_t(values.cols)});
    curve.rows.push_back(sharpened(row, config.emotion_sharpness));
  }
  return curve;
}

Face Engine::generate(const Image& photo, const Box& detected, const ActionUnits& au, const LayerSink* sink) const {
  return redraw(cut(photo, detected), au, sink);
}

Face Engine::generate_crop(const Image& crop, const ActionUnits& au, const LayerSink* sink) const {
  const int side = generator_config().image_size;
  if (crop.width != side || crop.height != side) {
    fail(ErrorKind::kInput, "--crop none: the picture is ", crop.width, "x", crop.height, "; this model takes ", side, "x",
         side, ". Resize it, or let --crop face find the face");
  }
  return redraw(cut_crop(crop, {0, 0, float(side)}), au, sink);
}

Face Engine::cut(const Image& photo, const Box& detected) const {
  return cut_crop(photo, scaled(detected, generator_config().crop_scale));
}

Face Engine::cut_crop(const Image& photo, const Box& crop) const {
  const int side = generator_config().image_size;
  const Shape shape{1, 3, side, side};
  Face face{side, HostBuffer<float>(shape.count()), {}, {}, {}};
  backend_->crop(photo, crop, {face.before.data(), shape});
  return face;
}

Face Engine::redraw(const Face& cut, const ActionUnits& au, const LayerSink* sink) const {
  const FaceRequest request{&cut, au};
  return std::move(redraw({&request, 1}, sink)[0]);
}

std::vector<Face> Engine::redraw(std::span<const FaceRequest> requests, const LayerSink* sink) const {
  if (requests.empty()) return {};
  const auto& names = generator_config().au_names;
  const int side = generator_config().image_size, N = int(requests.size());
  const Shape shape{N, 3, side, side}, mask_shape{N, 1, side, side};
  HostBuffer<float> before(shape.count()), after(shape.count()), colour(shape.count()), mask(mask_shape.count());
  std::vector<float> aus;
  for (std::size_t n = 0; n < requests.size(); ++n) {
    const auto face = requests[n].cut->before.span();
    std::ranges::copy(face, before.data() + n * face.size());
    const auto values = requests[n].au.reordered(names);
    aus.insert(aus.end(), values.values().begin(), values.values().end());
  }
  const auto generate = [&](const HostBuffer<float>& faces, HostBuffer<float>& masks, HostBuffer<float>& colours,
                            bool last) {
    backend_->generate({.faces = {faces.data(), shape},
                        .aus = {aus.data(), {N, int(names.size()), 1, 1}},
                        .out = {after.data(), shape},
                        .mask = {masks.data(), mask_shape},
                        .colour = {colours.data(), shape},
                        .sink = last ? sink : nullptr});
  };
  generate(before, mask, colour, passes_ == 1);
  for (int pass = 2; pass <= passes_; ++pass) {
    HostBuffer<float> next_mask(mask_shape.count()), next_colour(shape.count());
    generate(after, next_mask, next_colour, pass == passes_);
    blend_over(generator_config().mask_keeps_image, shape, mask, colour, next_mask, next_colour);
  }
  std::vector<Face> faces;
  for (std::size_t n = 0; n < requests.size(); ++n) {
    const auto part = [&](const HostBuffer<float>& all) {
      HostBuffer<float> one(all.size() / requests.size());
      std::copy_n(all.data() + n * one.size(), one.size(), one.data());
      return one;
    };
    faces.push_back({side, part(before), part(after), part(colour), part(mask)});
  }
  return faces;
}

void Engine::redraw(Image& photo, std::span<const Box> detected, const ActionUnits& au) const {
  const auto& config = generator_config();
  if (passes_ > 1) {  // the backend's own way, which may not leave the device, is one pass
    std::vector<Face> cuts;
    for (const Box& box : detected) cuts.push_back(cut(photo, box));
    std::vector<FaceRequest> requests;
    for (const Face& face : cuts) requests.push_back({&face, au});
    const auto faces = redraw(requests);
    for (std::size_t i = 0; i < faces.size(); ++i) paste(photo, detected[i], faces[i]);
    return;
  }
  const ActionUnits values = au.reordered(config.au_names);
  std::vector<RedrawJob> jobs;
  for (const Box& box : detected) jobs.push_back({&photo, scaled(box, config.crop_scale), values.values()});
  backend_->redraw(jobs, config.image_size);
}

Image Engine::to_image(TensorView<const float> face) const {
  const auto& config = generator_config();
  const bool bgr = config.channel_order == "bgr";
  Image image(face.shape.W, face.shape.H);
  const std::size_t plane = face.shape.plane();
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const double v = (face.data[(bgr ? 2 - c : c) * plane + i] - config.pixel_min) / (config.pixel_max - config.pixel_min);
      image.rgb[3 * i + c] = std::uint8_t(std::lround(std::clamp(v, 0.0, 1.0) * 255));
    }
  }
  return image;
}

void Engine::paste(Image& photo, const Box& detected, const Face& face) const {
  const Shape shape{1, 3, face.side, face.side};
  backend_->paste(photo, scaled(detected, generator_config().crop_scale),
                  {.before = {face.before.data(), shape},
                   .after = {face.after.data(), shape},
                   .mask = {face.mask.data(), {1, 1, face.side, face.side}}});
}

}  // namespace emo
