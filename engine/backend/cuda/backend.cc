#include "engine/backend/cuda/backend.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "engine/backend/cuda/generator.h"
#include "engine/backend/cuda/image_ops.h"
#include "engine/backend/cuda/reader.h"
#include "engine/backend/cuda/speech.h"
#include "engine/backend/cuda/warp.h"
#include "engine/backend/shared/turned_face.h"
#include "engine/plugin.h"

namespace emo {
namespace {

constexpr int kOldestCapability = 80;  // cp.async, bf16 and tf32

std::string version_text(int cuda) { return concat(cuda / 1000, '.', cuda % 1000 / 10); }

/// The device of that index, if it answers.
cudaDeviceProp open_device(int index) {
  constexpr const char* kElse = ", or use `backend` cpu";
  int driver = 0, runtime = 0, devices = 0;
  EMO_CUDA(cudaDriverGetVersion(&driver));
  EMO_CUDA(cudaRuntimeGetVersion(&runtime));
  if (driver == 0) {
    fail(ErrorKind::kDevice, "cuda: no NVIDIA driver is installed here; install one for CUDA ", version_text(runtime),
         kElse);
  }
  const cudaError_t found = cudaGetDeviceCount(&devices);
  if (found == cudaErrorInsufficientDriver) {
    fail(ErrorKind::kDevice, "cuda: the NVIDIA driver here is for CUDA ", version_text(driver), "; one for ",
         version_text(runtime), " or newer is needed: update it", kElse);
  }
  if (found != cudaSuccess || devices == 0) {
    fail(ErrorKind::kDevice, "cuda: the NVIDIA driver finds no GPU (", cudaGetErrorString(found),
         "); look at nvidia-smi and CUDA_VISIBLE_DEVICES", kElse);
  }
  if (index < 0 || index >= devices) {
    fail(ErrorKind::kDevice, "cuda: `device` is ", index, "; the GPUs here are 0 to ", devices - 1);
  }
  cudaDeviceProp device;
  EMO_CUDA(cudaGetDeviceProperties(&device, index));
  if (10 * device.major + device.minor < kOldestCapability) {
    fail(ErrorKind::kDevice, "cuda: ", device.name, " has compute capability ", device.major, '.', device.minor,
         "; 8.0 or newer is needed: use `backend` cpu");
  }
  return device;
}

constexpr int kMixed = kWgmmaBatch - 1;

class CudaBackend : public Backend {
 public:
  CudaBackend(const Models& models, const BackendOptions& options)
      : device_(open_device(options.device)),
        index_(options.device),
        precision_(options.precision == Precision::kAuto ? Precision::kFp16 : options.precision),
        contexts_(options.max_contexts > 0 ? options.max_contexts : 2),
        wgmma_(options.wgmma && has_wgmma()) {
    const OnDevice selected(index_);
    warp_.emplace(contexts_);
    if (models.generator) {
      config_ = models.generator->generator();
      images_.emplace(config_, contexts_);
      photos_.emplace(contexts_);
      generator_.emplace(*models.generator, precision_, options.note, contexts_, options.prepare_graphs ? kMixed : 0,
                         options.wgmma);
    }
    if (models.speech) speech_.emplace(*models.speech, contexts_);
    if (models.reader) reader_.emplace(*models.reader, contexts_);
  }
  ~CudaBackend() override {
    const OnDevice selected(index_);
    warp_.reset(), images_.reset(), photos_.reset(), generator_.reset(), speech_.reset(), reader_.reset();
  }

  std::string describe() const override {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) return failure_;
    return concat("cuda: ", device_.name, ", compute capability ", device_.major, '.', device_.minor, ", ",
                  device_.multiProcessorCount, " multiprocessors, ", name_of(precision_), wgmma_note());
  }

  Capacity capacity() const override { return {contexts_, kMixed, CudaGenerator::kMaxImages}; }

  Matrix mfcc(std::span<const float> pcm) const override {
    return attempt([&] { return speech().mfcc(pcm); });
  }
  Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const override {
    return attempt([&] { return speech().speech(pcm, times_s); });
  }
  void crop(const ImageView& photo, const Box& box, TensorView<float> face) const override {
    if (box.roll != 0) return crop_turned(photo, box, format_of(generator_config()), face, row_by_row);
    attempt([&] { images().crop(photo, box, face); });
  }
  void generate(const GenerateCall& call) const override {
    attempt([&] { generator().generate(call); });
  }
  void paste(const MutableImageView& photo, const Box& box, const FaceChange& face) const override {
    if (box.roll != 0) return paste_turned(photo, box, generator_config(), face, row_by_row);
    attempt([&] { images().paste(photo, box, face); });
  }
  void warp(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out) const override {
    attempt([&] { warp_->draw(photo, mesh, tone, out); });
  }
  void redraw(std::span<RedrawJob> jobs) const override {
    // What is not finite, and so wants another precision or an error of its own, takes the way of single calls.
    const bool done = attempt([&] { return redraw_on_device(jobs); });
    if (!done) Backend::redraw(jobs);
  }
  void read_faces(TensorView<const float> crops, TensorView<float> answers) const override {
    EMO_CHECK(reader_, "cuda: no face reader was opened");
    attempt([&] { reader_->read(crops, answers); });
  }

 private:
  /// From how many images on the bytes are those of another instruction.
  std::string wgmma_note() const {
    const bool has = wgmma_ && (precision_ == Precision::kFp16 || precision_ == Precision::kBf16);
    return has ? concat(", wgmma from ", kWgmmaBatch, " images on") : "";
  }

  const CudaGenerator& generator() const {
    EMO_CHECK(generator_, "cuda: no generator was opened");
    return *generator_;
  }
  const CudaImageOps& images() const {
    EMO_CHECK(images_, "cuda: no generator was opened");
    return *images_;
  }
  const CudaSpeech& speech() const {
    EMO_CHECK(speech_, "cuda: no speech model was opened");
    return *speech_;
  }

  const GeneratorConfig& generator_config() const override {
    generator();
    return config_;
  }

  /// False, and all as it was, when it cannot be done in one run.
  bool redraw_on_device(std::span<RedrawJob> jobs) const {
    if (jobs.empty() || jobs.size() > CudaGenerator::kMaxImages) return jobs.empty();
    const int side = generator_config().image_size, passes = jobs[0].passes;
    std::vector<CudaPhotos::Place> places;
    std::vector<MutableImageView> outs;
    std::vector<float> aus;
    bool planes = false;
    for (const RedrawJob& job : jobs) {
      EMO_CHECK(job.aus.size() == config_.au_names.size(), "redraw: ", job.aus.size(), " AU intensities; ",
                config_.au_names.size(), " are needed");
      EMO_CHECK(job.passes >= 1, "redraw: ", job.passes, " passes; at least 1 is needed");
      // A face cut before may come alone; one that is turned is cut and put back by the host, which also sees to its tone
      // and to what the photo shows; and moving a photo's own pixels is a call of its own.
      if (job.mesh || job.sink || job.passes != passes || !job.photo.data || job.box.roll != 0) return false;
      if (!job.tone.plain() || !job.shown.empty()) return false;
      places.push_back({job.photo, job.box});
      outs.push_back(job.out);
      aus.insert(aus.end(), job.aus.begin(), job.aus.end());
      planes |= job.after || job.mask || job.colour;
    }
    const auto on_device = photos_->borrow([&] { return std::make_unique<CudaPhotos>(config_); });
    const auto cut = [&](float* faces, cudaStream_t stream) {
      on_device->upload(places, {1, 3, side, side}, stream);
      on_device->crop(faces, stream);
    };
    const auto put_back = [&](const CudaGenerator::DevicePictures& pictures, cudaStream_t stream) {
      on_device->paste(pictures.before, pictures.after, pictures.mask, stream);
      on_device->download(stream);
    };
    CudaGenerator::Take take;
    if (planes) {
      take = [&](const float* after, const float* mask, const float* colour) {
        const std::size_t plane = std::size_t(side) * side;
        const auto give = [](float* to, const float* from, std::size_t n, std::size_t floats) {
          if (to) std::copy_n(from + n * floats, floats, to);
        };
        for (std::size_t n = 0; n < jobs.size(); ++n) {
          give(jobs[n].after, after, n, 3 * plane);
          give(jobs[n].mask, mask, n, plane);
          give(jobs[n].colour, colour, n, 3 * plane);
        }
      };
    }
    const bool finite = generator().run_on_device(side, aus, passes, cut, put_back, take);
    if (finite) on_device->finish(outs);
    return finite;
  }

  /// Every call goes through here, since a failure that the runtime never forgets is the end of all.
  template <typename Call>
  std::invoke_result_t<const Call&> attempt(const Call& call) const {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_.empty()) fail(ErrorKind::kDevice, failure_);
    }
    const OnDevice selected(index_);
    try {
      return call();
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kDevice || cudaStreamSynchronize(nullptr) == cudaSuccess) throw;
      const std::lock_guard lock(mutex_);
      if (failure_.empty()) {
        failure_ = concat("cuda: dead since the GPU failed (", e.what(), "); start the program again, or use `backend` cpu");
      }
      fail(ErrorKind::kDevice, failure_);
    }
  }

  const cudaDeviceProp device_;
  const int index_;
  const Precision precision_;
  const int contexts_;
  const bool wgmma_;
  GeneratorConfig config_;
  std::optional<CudaWarp> warp_;
  std::optional<CudaImageOps> images_;
  std::optional<CudaGenerator> generator_;
  std::optional<CudaSpeech> speech_;
  std::optional<CudaReader> reader_;
  mutable std::optional<Pool<CudaPhotos>> photos_;
  mutable std::mutex mutex_;
  mutable std::string failure_;  // under mutex_; empty while all is well
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const Models& models, const BackendOptions& options) {
  return std::make_unique<CudaBackend>(models, options);
}

}  // namespace emo

/// What engine/backend/cuda_library.cc looks for in the library.
EMO_PLUGIN emo::Backend* emo_cuda_v1(const emo::Models& models, const emo::BackendOptions& options) {
  return emo::make_cuda_backend(models, options).release();
}
