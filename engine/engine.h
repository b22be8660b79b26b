#pragma once

#include <exception>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/expression/action_units.h"
#include "engine/expression/au_curve.h"
#include "weights/model_file.h"

namespace emo {

struct EngineOptions {
  std::filesystem::path generator;  ///< weight file of Model A; empty: not needed
  std::filesystem::path speech;     ///< weight file of Model B; empty: not needed
  BackendOptions backend;
  std::size_t max_tensors = limits::kMaxTensors;
};

/// A face cut out of its photo: (1,3,S,S) planar in the model's range and channel order.
struct CutFace {
  int side = 0;
  HostBuffer<float> planes;

  TensorView<const float> view() const { return {planes.data(), {1, 3, side, side}}; }
};

/// A face to be redrawn, and what is wanted of it. What is not asked for costs nothing.
struct FaceJob {
  ImageView photo;
  Box face;                      ///< as a face detector gives it
  bool is_crop = false;          ///< `face` is the network's crop itself
  const CutFace* cut = nullptr;  ///< as Engine::cut gave it, for a face that is redrawn often; null: it is cut out here
  ActionUnits au;                ///< what it is to show, under any order of names
  /// Times that the generator draws the face, each from the picture that it drew before. AUs are absolute, so a face that
  /// shows them already is left alone, and what one pass leaves undone the next does. 1 to limits::kMaxPasses.
  int passes = 1;
  /// Where the photo with the face redrawn goes: the photo itself, or a picture of its size that holds its pixels outside
  /// the face. No pixels: nowhere.
  MutableImageView out;
  /// Planes in the model's range, S being generator_config().image_size, or null: the generated face (3,S,S), and the mask
  /// (S,S) and colour (3,S,S) whose blend over the face as it was cut gives it, over all passes.
  float *after = nullptr, *mask = nullptr, *colour = nullptr;
  const LayerSink* sink = nullptr;  ///< every layer's output, of the last pass
  std::exception_ptr error;         ///< set by redraw(): why this face could not be drawn
};

/// The public API: weights, a backend and options. Thread-safe: use one Engine from as many threads as you like.
class Engine {
 public:
  /// Throws Error(kModel) for a weight file that cannot be used, Error(kDevice) for a backend that is not there.
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

  /// Cuts a face out by its detector box, to be redrawn any number of times.
  CutFace cut(const ImageView& photo, const Box& face) const;
  /// Redraws faces of any photos, all cut out before any is put back, in one call of the generator, which fills the device.
  /// A face that cannot be drawn fails alone, in FaceJob::error; what concerns all is thrown. Throws Error(kUsage) for
  /// passes out of range, Error(kInput) for a crop that is not of the network's size.
  void redraw(std::span<FaceJob> jobs) const;
  /// The same for who needs every face: throws the first error.
  void redraw_all(std::span<FaceJob> jobs) const;
  /// A face's planes (1,3,H,W) in the model's range as a picture.
  Image to_image(TensorView<const float> planes) const;

 private:
  std::unique_ptr<const ModelFile> generator_, speech_;  // where they are stays the same when an Engine is moved
  std::unique_ptr<Backend> backend_;
};

}  // namespace emo
