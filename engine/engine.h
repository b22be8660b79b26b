#pragma once

#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/expression/action_units.h"
#include "engine/expression/face_motion.h"
#include "engine/expression/landmarks.h"
#include "engine/pipeline/live_voice.h"
#include "engine/scheduler.h"
#include "engine/voice.h"
#include "weights/model_file.h"

namespace emo {

struct EngineOptions {
  std::filesystem::path generator;  ///< weight file of Model A; empty: not needed
  std::filesystem::path speech;     ///< weight file of Model B; empty: not needed
  std::filesystem::path reader;     ///< weight file of the face reader; empty: not needed
  BackendOptions backend;
  /// How the calls of many threads share the device, in faces. max_batch 0: as many as get the same bytes together as alone.
  /// max_contexts 0: as many as suit the backend; it is the backend's, too.
  SchedulerOptions scheduler = {.max_batch = 0, .max_contexts = 0};
  std::size_t max_tensors = limits::kMaxTensors;
};

/// What the face reader sees under a box.
struct FaceReading {
  float confidence = 0;          ///< that this is a face, 0 to 1
  std::vector<Point> landmarks;  ///< (kFacePoints), in pixels of the photo
  Box box;                       ///< as the detector would give it, but turned with the face; see FaceShape::box
  ActionUnits au;                ///< that the face shows, under the names of reader_config()
};

/// How a face is drawn into its photo.
enum class Detail {
  kNetwork,  ///< by the generator, whose picture is enlarged to the photo's resolution
  kSharp,    ///< by moving the photo's own pixels, as the reader's landmarks and AUs say; see warp_face()
  kAuto,     ///< sharp where the reader is sure of the face (Engine::is_sure), else by the network
};
/// "network", "sharp", "auto".
const char* name_of(Detail detail);

/// How faces are drawn.
struct Drawing {
  /// AUs are added to what the face reader sees in the photo, which stays as it is where that changes nothing. The generator
  /// takes twice the time. Otherwise the face shows the AUs alone.
  bool relative = false;
  /// Times that the generator draws the face, where it does, each from the picture that it drew before. AUs are absolute, so
  /// a face that shows them already is left alone, and what one pass leaves undone the next does. 1 to limits::kMaxPasses.
  int passes = 1;
  Detail detail = Detail::kAuto;  ///< of FaceJob::out
};

/// A face cut out of its photo: (1,3,S,S) planar in the model's range and channel order, and what the reader sees in it,
/// where that was wanted.
struct CutFace {
  int side = 0;
  HostBuffer<float> planes;
  Tone tone = {};
  std::optional<FaceReading> reading = {};

  TensorView<const float> view() const { return {planes.data(), {1, 3, side, side}}; }
};

/// A face to be redrawn, and what is wanted of it. What is not asked for costs nothing.
struct FaceJob {
  ImageView photo;
  Box face;                      ///< as a face detector gives it
  bool is_crop = false;          ///< `face` is the network's crop itself
  const CutFace* cut = nullptr;  ///< as Engine::cut gave it, for a face that is redrawn often; null: it is cut out here
  ActionUnits au;                ///< what it is to show, under any order of names
  Drawing drawing;
  /// Where the photo with the face redrawn goes: the photo itself, or a picture of its size that holds its pixels outside
  /// the face. No pixels: nowhere.
  MutableImageView out;
  /// Planes in the model's range, S being generator_config().image_size, or null: the generated face (3,S,S), and the mask
  /// (S,S) and colour (3,S,S) whose blend over the face as it was cut gives it, over all passes.
  float *after = nullptr, *mask = nullptr, *colour = nullptr;
  const LayerSink* sink = nullptr;                            ///< every layer's output, of the last pass
  Scheduler::Clock::time_point deadline = Scheduler::kNever;  ///< not begun by then, it fails with Error(kTimeout)
  std::exception_ptr error;  ///< set by redraw() and submit(): why this face could not be drawn
};

/// The public API: weights, a backend and options. Thread-safe: use one Engine from as many threads as you like.
class Engine {
 public:
  /// Throws Error(kModel) for a weight file that cannot be used, Error(kDevice) for a backend that is not there.
  explicit Engine(const EngineOptions& options);

  const GeneratorConfig& generator_config() const;
  const SpeechConfig& speech_config() const;
  /// Whether it was opened with a face reader.
  bool has_reader() const { return bool(reader_); }
  const ReaderConfig& reader_config() const;
  const Backend& backend() const { return *backend_; }
  Scheduler::Counts counts() const { return scheduler_->counts(); }
  /// Cancels the faces that wait, waits for those that are drawn, and refuses all from then on; the destructor does it too.
  void close() { scheduler_->close(); }

  /// (T, features) of a mono clip at the model's rate; see Backend::mfcc.
  Matrix mfcc(std::span<const float> pcm) const { return backend_->mfcc(pcm); }
  /// Runs the speech model over a mono clip at the model's rate. Throws Error(kInput) for a clip without samples or with NaN
  /// or infinity in it, Error(kModel) when an answer holds NaN or infinity.
  Voice hear(std::span<const float> pcm) const;
  /// The same for sound that is still being spoken; see LiveVoice.
  LiveVoice hear_live(double fps) const;

  /// Reads the faces under detector boxes of a photo. A box of any roll will do to within 180 degrees; the second look,
  /// under the box that the first gave, is the finer one. Throws Error(kModel) when an answer holds NaN or infinity.
  std::vector<FaceReading> read(const ImageView& photo, std::span<const Box> faces) const;
  FaceReading read(const ImageView& photo, const Box& face) const { return read(photo, {&face, 1})[0]; }
  /// The same with the second look, under the box that the first gave, and so for any roll.
  FaceReading read_closely(const ImageView& photo, const Box& face) const;
  /// Whether landmarks can be trusted to draw by: the confidence is a face's, and they lie as a face's do.
  bool is_sure(const FaceReading& reading) const;
  /// Cuts a face out by its detector box, to be redrawn any number of times, in this way or another. What this way needs
  /// of the face reader is read once, here.
  CutFace cut(const ImageView& photo, const Box& face, const Drawing& drawing = {}) const;
  /// Redraws faces of any photos. Those of one picture `out` are all cut out before any is put back, in their order. Calls
  /// of other threads share the device, by the scheduler; a face gets the same bytes. A face that cannot be drawn fails
  /// alone, in FaceJob::error; what concerns all is thrown. Throws Error(kUsage) for passes out of range, for
  /// Detail::kSharp without a reader that says how faces move, and for `relative` without a reader; Error(kInput) for a crop
  /// that is not of the network's size; Error(kBusy) when too many faces wait; then nothing is drawn. `client`: see
  /// Scheduler.
  void redraw(std::span<FaceJob> jobs, Scheduler::Client client = 0) const;
  /// The same, but returns at once: the jobs and what they point to stay until the request is answered. What concerns all
  /// is the error of each. Throws Error(kUsage) for a job with a sink, too. `done`: see Scheduler::submit().
  std::shared_ptr<Scheduler::Request> submit(std::span<FaceJob> jobs, std::function<void()> done = {},
                                             Scheduler::Client client = 0) const;
  /// The same for who needs every face: throws the first error.
  void redraw_all(std::span<FaceJob> jobs) const;
  /// A face's planes (1,3,H,W) in the model's range as a picture.
  Image to_image(TensorView<const float> planes) const;

 private:
  struct Call;
  void check_reader_for(const Drawing& drawing) const;
  bool is_moved(const FaceJob& job) const;
  std::optional<FaceReading> reading_of(const FaceJob& job) const;

  std::unique_ptr<const ModelFile> generator_, speech_, reader_;  // where they are stays the same when an Engine is moved
  std::unique_ptr<const FaceShape> shape_;
  std::unique_ptr<const FaceMotion> motion_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Scheduler> scheduler_;  // goes first: what runs needs the others
};

}  // namespace emo
