#pragma once

#include <span>
#include <vector>

#include "engine/backend/cuda/libraries.h"
#include "engine/backend/cuda/memory.h"
#include "kernels/lstm.h"
#include "weights/safetensors.h"

namespace emo {

/// A stack of LSTM layers on the device, with the answers of engine/backend/cpu/lstm.h. Thread-safe; a workspace serves one
/// call at a time.
class CudaLstm {
 public:
  /// Reads the tensors that engine/backend/cpu/lstm.h names. Throws Error(kModel) as it does, and Error(kDevice) for more
  /// units than the kernel or this GPU takes.
  CudaLstm(const SafeTensors& tensors, int input, int hidden, int layers, bool bidirectional);

  struct Workspace {
    explicit Workspace(cudaStream_t stream) : blas(stream) {}

    Blas blas;
    DeviceBuffer<float> gates;      ///< (rows, directions, 4*hidden), of the most rows so far
    DeviceBuffer<float> states[2];  ///< (rows, directions*hidden), of every second layer
    DeviceBuffer<unsigned> arrived;
  };

  int columns() const { return hidden_ * directions_; }

  /// x (rows, input), device, its rows those of the clips, one after another; the clips are given twice, in host memory and
  /// in the device's. Gives the last layer's states, (rows, columns()), in the workspace. Waits for nothing, once the
  /// workspace has grown. A clip gets the same bytes alone and among others.
  const float* operator()(const float* x, std::span<const LstmClip> clips, const LstmClip* device_clips,
                          Workspace& workspace, cudaStream_t stream) const;

 private:
  struct Layer {
    int input = 0;
    DeviceBuffer<float> w_ih;  ///< (directions, 4*hidden, input)
    DeviceBuffer<float> w_hh;  ///< (directions, 4*hidden, hidden)
    DeviceBuffer<float> bias;  ///< (directions, 4*hidden), b_ih + b_hh
  };

  int hidden_, directions_;
  int multiprocessors_ = 0;
  bool clusters_ = false;
  std::vector<Layer> layers_;
};

}  // namespace emo
