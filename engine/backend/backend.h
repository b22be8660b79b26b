#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "base/tensor.h"
#include "engine/backend/image.h"
#include "engine/backend/shared/tone.h"
#include "weights/model_file.h"

namespace emo {

enum class BackendKind { kAuto, kCpu, kCuda };
enum class Precision { kAuto, kFp32, kTf32, kBf16, kFp16 };

/// "auto", "cpu" ...; "fp32" ...
const char* name_of(BackendKind kind);
const char* name_of(Precision precision);

/// Receives each layer's output by its name, (1,C,H,W) fp32, valid during the call: every LayerSpec::key, then "output".
using LayerSink = std::function<void(const std::string& name, TensorView<const float> output)>;

/// One call of the generator. `out` is needed; `mask` and `colour` may have null data and are then not written.
struct GenerateCall {
  TensorView<const float> faces;    ///< (N,3,S,S) planar in the model's pixel range and channel order
  TensorView<const float> aus;      ///< (N,AUs,1,1) intensities, before au_scale
  TensorView<float> out;            ///< (N,3,S,S); may be faces' memory
  TensorView<float> mask;           ///< (N,1,S,S) in [0,1]
  TensorView<float> colour;         ///< (N,3,S,S)
  const LayerSink* sink = nullptr;  ///< with N = 1 only
  /// One an image, or none. With them an image that comes out with NaN or infinity gets its error here, and the outputs of
  /// the others are whole; without, the error is thrown.
  std::span<std::exception_ptr> errors;
};

struct FaceMesh;

/// What the network made of a face.
struct FaceChange {
  TensorView<const float> before, after;  ///< (1,3,S,S): GenerateCall's faces and out
  TensorView<const float> mask;           ///< (1,1,S,S)
};

/// A face to be redrawn. What is not asked for costs nothing.
struct RedrawJob {
  ImageView photo;
  Box box;                     ///< as crop() takes it
  std::span<const float> aus;  ///< one face's of GenerateCall
  /// The same of what the photo shows already, or none. With it the generator also draws that face, and the photo stays
  /// where the two faces are alike: what `aus` adds to the photo's expression is drawn, and its teeth and wrinkles stay.
  std::span<const float> shown;
  /// Times that the generator draws the face, each from the picture that it drew before, at least 1.
  int passes = 1;
  /// How the photo's own pixels move, for a face that `out` is to show so, as warp() draws it; null: by the network.
  const FaceMesh* mesh = nullptr;
  /// The face as crop() gives it, (1,3,S,S), for who redraws it often; null data: it is cut out here.
  TensorView<const float> cut;
  Tone tone;  ///< of the face under the box, as tone_of() gives it; plain: the network sees the face as it was cut
  /// Where the photo with the face redrawn goes: the photo itself, or a picture of its size that holds its pixels outside
  /// the box. Null data: nowhere.
  MutableImageView out;
  /// (3,S,S), (1,S,S), (3,S,S) or null: the generated face, and the mask and colour whose blend over the face as it was cut
  /// gives it, over all passes.
  float *after = nullptr, *mask = nullptr, *colour = nullptr;
  const LayerSink* sink = nullptr;  ///< of the last pass
  std::exception_ptr error;         ///< why this face could not be drawn; its outputs are then as they were
};

struct BackendOptions {
  BackendKind kind = BackendKind::kAuto;
  Precision precision = Precision::kAuto;  ///< auto: fp16 on a GPU; on a CPU bf16 with AMX, else fp32
  int threads = 0;                         ///< CPU threads a call uses; 0: every processor that this process may keep busy
  int device = 0;  ///< the GPU, as CUDA counts them; every call selects it and then the caller's again
  /// Calls that compute at the same time, each in memory of its own; further ones wait. 0: 2 on a GPU, on a CPU one a
  /// thread.
  int max_contexts = 0;
  /// GPU: the graphs of all batches of up to Capacity::mixed faces are recorded when it is opened; of others, and of all
  /// without this, when the first of their size comes.
  bool prepare_graphs = false;
  bool wgmma = true;  ///< GPU: Hopper's wgmma for batches of 8 and more; false: mma, for a card on which wgmma hangs
  /// Takes a line for the user when something else is done than was asked for; null: nobody wants to know. From any thread.
  std::function<void(const std::string&)> note;
};

/// The models of a backend; null: not needed. They must outlive it.
struct Models {
  const ModelFile *generator = nullptr, *speech = nullptr, *reader = nullptr;
};

/// How a backend is best kept busy.
struct Capacity {
  int contexts;  ///< calls at a time
  int mixed;     ///< faces of several requests in a call: each gets the bytes that it gets alone
  int whole;     ///< faces of one request in a call
};

/// A clip that the speech model has heard. Thread-safe; its backend must outlive it.
class HeardClip {
 public:
  virtual ~HeardClip() = default;
  /// As Backend::speech.
  virtual Matrix read(std::span<const double> times_s) const = 0;
};

/// The numerical work of the cascade on one kind of device. All calls are thread-safe: the weights are shared, each call
/// borrows a context of its own. Promise of generate: the same bytes for an image at any batch size, position, thread
/// count and run, on one type of processor. Where describe() names a batch size from which another instruction multiplies,
/// the promise is made on either side of it.
/// A call for which no model was opened, or with shapes that do not fit, throws Error(kInternal).
class Backend {
 public:
  virtual ~Backend() = default;

  /// "cpu: AVX-512, fp32, 2 threads, oneDNN 2.6.3"
  virtual std::string describe() const = 0;

  virtual Capacity capacity() const = 0;

  /// MFCC of a mono clip at the model's rate, (T, features), before trimming and scaling. T = 1 + samples / hop,
  /// where a clip of fewer than n_fft/2 + 1 samples counts as one of so many.
  /// Throws Error(kInput) for a clip without samples or with NaN or infinity in it.
  virtual Matrix mfcc(std::span<const float> pcm) const = 0;

  /// AUs of a mono clip at the model's rate, as the FC layer gives them, not clamped. Without times: one row, the clip's
  /// own answer. With times (seconds): a row for each, the read-out over the states of a window of readout_window_s
  /// centred on it, cut at the ends of the speech; all zero where the window holds no speech.
  /// A clip of silence gives zeros. Throws as mfcc does, and Error(kModel) naming the file when an answer holds NaN or
  /// infinity.
  virtual Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const = 0;
  /// The same for who reads several times. On the CPU the LSTM runs once; a GPU, where it takes less than copying its
  /// states, runs it for each reading. Throws as speech does, now or when read.
  virtual std::unique_ptr<const HeardClip> hear(std::span<const float> pcm) const;

  /// Cuts `box` out of the photo and resamples it to the face's side as the model says, into (1,3,S,S) in the model's
  /// range and channel order. Outside the photo its edge is repeated.
  virtual void crop(const ImageView& photo, const Box& box, TensorView<float> face) const = 0;

  /// Model A. Throws Error(kModel) naming the image when an output holds NaN or infinity; see GenerateCall::errors.
  virtual void generate(const GenerateCall& call) const = 0;

  /// Puts a generated face back where crop() took it: the network's blend, done at the photo's own resolution and feathered
  /// to nothing at the box's border, so that what the network left alone keeps the photo's own pixels.
  virtual void paste(const MutableImageView& photo, const Box& box, const FaceChange& face) const = 0;

  /// Draws a face into `out` by moving the photo's own pixels; see warp_face().
  virtual void warp(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out) const;

  /// crop, generate and paste in one, in one call of the generator for all jobs of as many passes. All faces are cut out
  /// before any is put back; those of one photo are put back in their order. A backend with a memory of its own moves the
  /// photos' parts there and back once. With a mesh it is warp() that draws into `out`. A face that comes out with NaN or
  /// infinity fails alone, in RedrawJob::error; what concerns all is thrown.
  virtual void redraw(std::span<RedrawJob> jobs) const;

  /// The face reader. crops (N,3,S,S) are RGB in [-1,1], S being ReaderConfig::image_size. A row of answers (N,957+AUs,1,1)
  /// holds the landmarks x0, y0, x1 ... in sides of the crop from its middle, x right, y down, then the logit of the
  /// confidence, then the AUs, about 0 to 1. In fp32 whatever the precision. Throws Error(kModel) naming the crop when an
  /// answer holds NaN or infinity.
  virtual void read_faces(TensorView<const float> crops, TensorView<float> answers) const = 0;

 protected:
  /// The generator's; throws Error(kInternal) when none was opened.
  virtual const GeneratorConfig& generator_config() const = 0;
};

/// Opens a backend with these models. kAuto takes a GPU where this build has the CUDA backend and a device answers, and else
/// notes why it does not.
/// Throws Error(kDevice) when this build or this machine lacks the backend or the precision.
std::unique_ptr<Backend> open_backend(const Models& models, const BackendOptions& options);

/// The CUDA backend of libemo_cuda.so, which is opened here. Throws Error(kDevice) that says what is missing.
std::unique_ptr<Backend> open_cuda_backend(const Models& models, const BackendOptions& options);

#ifdef EMO_HAVE_CPU
std::unique_ptr<Backend> open_cpu_backend(const Models& models, const BackendOptions& options);
#endif

}  // namespace emo
