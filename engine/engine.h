#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/expression/action_units.h"
#include "engine/expression/au_file.h"
#include "weights/model_file.h"

namespace emo {

struct EngineOptions {
  std::filesystem::path generator;  ///< weight file of Model A; empty: not needed
  std::filesystem::path speech;     ///< weight file of Model B; empty: not needed
  /// Times that the generator draws a face, each from the picture that it drew before. AUs are absolute, so a face that
  /// shows them already is left alone, and what one pass leaves undone the next does. 1 to limits::kMaxPasses.
  int passes = 1;
  BackendOptions backend;
  std::size_t max_tensors = limits::kMaxTensors;
};

/// A generated face with what it was made from, planar (1,3,S,S) in the model's range; mask and colour are those of the
/// blend of before that gives after, over all passes.
struct Face {
  int side = 0;
  HostBuffer<float> before, after, colour;
  HostBuffer<float> mask;  ///< (1,1,S,S)
};

/// A face as Engine::cut gives it, and what it is to show (any order of names).
struct FaceRequest {
  const Face* cut;
  ActionUnits au;
};

/// The public API: weights, a backend and options. Thread-safe: use one Engine from as many threads as you like.
class Engine {
 public:
  /// Throws Error(kModel) for a weight file that cannot be used, Error(kDevice) for a backend that is not there,
  /// Error(kUsage) for passes out of range.
  explicit Engine(const EngineOptions& options);

  const GeneratorConfig& generator_config() const;
  const SpeechConfig& speech_config() const;
  const Backend& backend() const { return *backend_; }

  /// (T, features) of a mono clip at the model's rate; see Backend::mfcc.
  Matrix mfcc(std::span<const float> pcm) const { return backend_->mfcc(pcm); }
  /// The clip's own answer, sharpened() as the model says (SpeechConfig::emotion_sharpness).
  ActionUnits aus(std::span<const float> pcm) const;
  /// One row a video frame, at i/fps, for the clip's length. Throws Error(kUsage) unless 0 < fps <= 1000.
  AuCurve aus_per_frame(std::span<const float> pcm, double fps) const;

  /// Cuts a face out by its detector box, to be redrawn any number of times; only `before` is filled.
  Face cut(const Image& photo, const Box& detected) const;
  /// The same face with these AUs (any order of names), its `before` copied.
  Face redraw(const Face& cut, const ActionUnits& au, const LayerSink* sink = nullptr) const;
  /// Many faces, of any photos, in one call of the generator, which fills the device.
  std::vector<Face> redraw(std::span<const FaceRequest> requests) const { return redraw(requests, nullptr); }
  /// Crops a face by its detector box and redraws it with these AUs (any order of names).
  Face generate(const Image& photo, const Box& detected, const ActionUnits& au, const LayerSink* sink = nullptr) const;
  /// The same for a picture that is the crop: exactly image_size pixels square. Throws Error(kInput) otherwise.
  Face generate_crop(const Image& crop, const ActionUnits& au, const LayerSink* sink = nullptr) const;
  /// The generated face as a picture of the network's own size.
  Image to_image(TensorView<const float> face) const;
  /// Redraws faces of the photo, found by their detector boxes, in place: generate() and paste() for each, with the faces
  /// cut out before any is put back and all in one call of the generator.
  void redraw(Image& photo, std::span<const Box> detected, const ActionUnits& au) const;
  /// The photo with the face put back where generate() found it.
  void paste(Image& photo, const Box& detected, const Face& face) const;

 private:
  Face cut_crop(const Image& photo, const Box& crop) const;
  std::vector<Face> redraw(std::span<const FaceRequest> requests, const LayerSink* sink) const;

  std::unique_ptr<const ModelFile> generator_, speech_;  // where they are stays the same when an Engine is moved
  std::unique_ptr<Backend> backend_;
  int passes_;
};

}  // namespace emo
