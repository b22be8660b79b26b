#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/generator_plan.h"
#include "engine/backend/cuda/generator_weights.h"
#include "engine/backend/cuda/memory.h"
#include "engine/backend/shared/pool.h"

namespace emo {

/// The GANimation generator on a GPU. Weights are packed and sent there when it is made. A call borrows a context, a stream
/// with a block of memory that grows to the largest call so far, and is one copy there, one graph and one copy back, with
/// one wait. The first call of a batch size and picture side plans the memory and records the graph, unless the size was
/// prepared. Thread-safe.
class CudaGenerator {
 public:
  /// `precision` is not kAuto. The file must outlive it. `note`, if any, takes a line for the user, from any thread.
  /// Throws Error(kModel) for a speech model's file, Error(kMemory) when the device has no room for the weights.
  /// At most max_contexts calls run at a time; further ones wait. `prepared_batch`: for batches of 1 to so many pictures of
  /// the model's size, contexts with all graphs are made now and never change; other batches have as many contexts more.
  CudaGenerator(const ModelFile& file, Precision precision, std::function<void(const std::string&)> note = {},
                int max_contexts = 2, int prepared_batch = 0, bool may_use_wgmma = true);
  ~CudaGenerator();

  /// See Backend::generate. An image that is not finite in fp16 is computed again in fp32, which a note tells the first
  /// time. When it throws for an image, the outputs of those before it are whole and the others are not to be used.
  void generate(const GenerateCall& call) const;

  /// Images of a run; larger batches are cut.
  static constexpr int kMaxImages = 64;

  /// What a run leaves on the device: the face as it was cut and as it was drawn last (N,3,side,side), mask (N,1,side,side)
  /// and colour (N,3,side,side) over all passes.
  struct DevicePictures {
    const float *before, *after, *mask, *colour;
  };
  /// A run whose pictures are made and used on the device. `make` asks the stream to fill `faces` (N,3,side,side), which the
  /// generator draws `passes` times, each time from what it drew before; `use` asks for what is done with the result.
  /// `take`, if any, receives after, mask and colour on the host. aus (N,AUs), host; N at most kMaxImages. Returns when all
  /// is done: false, and nothing taken, when an image is not finite.
  using Make = std::function<void(float* faces, cudaStream_t stream)>;
  using Use = std::function<void(const DevicePictures& pictures, cudaStream_t stream)>;
  using Take = std::function<void(const float* after, const float* mask, const float* colour)>;
  bool run_on_device(int side, std::span<const float> aus, int passes, const Make& make, const Use& use,
                     const Take& take = {}) const;

 private:
  struct Context;
  struct Session;

  const GeneratorWeights& weights(MathType math) const;
  bool is_prepared(MathType math, int side, int N) const;
  std::unique_ptr<Context> prepare() const;
  Pool<Context>::Lease borrow(MathType math, int side, int N) const;
  Session& session(Context& context, MathType math, int side, int N) const;
  void run(MathType math, const GenerateCall& call, int first, int count) const;
  void launch(Session& session, const Context& context) const;
  void enqueue(const GeneratorPlan& plan, const Context& context, const LayerSink* sink) const;
  static void show(const GeneratorPlan& plan, std::size_t row, const Context& context, const LayerSink& sink);

  const ModelFile& file_;
  const GeneratorConfig& config_;
  const MathType math_;
  const std::function<void(const std::string&)> note_;
  const GpuTraits gpu_;
  mutable std::mutex weights_mutex_;
  mutable std::array<std::unique_ptr<const GeneratorWeights>, 4> weights_;  // by MathType, under weights_mutex_
  mutable std::atomic<bool> noted_{false};
  const int prepared_batch_;
  mutable Pool<Context> prepared_, contexts_;
};

}  // namespace emo
