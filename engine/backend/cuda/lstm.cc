#include "engine/backend/cuda/lstm.h"

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/limits.h"

namespace emo {
namespace {

constexpr const char* kWeights = "the LSTM's weights";
constexpr const char* kStates = "the LSTM's states";

}  // namespace

CudaLstm::CudaLstm(const SafeTensors& tensors, int input, int hidden, int layers, bool bidirectional)
    : hidden_(hidden), directions_(bidirectional ? 2 : 1) {
  if (hidden > limits::kMaxCudaLstmHidden) {
    fail(ErrorKind::kDevice, "cuda: ", tensors.name(), " has ", hidden, " LSTM units; at most ", limits::kMaxCudaLstmHidden,
         " are taken. Use `backend` cpu");
  }
  int device = 0;
  EMO_CUDA(cudaGetDevice(&device));
  EMO_CUDA(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device));
  clusters_ = lstm_has_clusters();
  if (const int blocks = lstm_plan(hidden, 1, multiprocessors_, clusters_).blocks; blocks > multiprocessors_) {
    fail(ErrorKind::kDevice, "cuda: ", tensors.name(), " has ", hidden, " LSTM units, whose weights fill ", blocks,
         " multiprocessors; this GPU has ", multiprocessors_, ". Use `backend` cpu");
  }

  const int rows = 4 * hidden;
  for (int layer = 0; layer < layers; ++layer, input = columns()) {
    std::vector<float> w_ih, w_hh, bias;
    for (int d = 0; d < directions_; ++d) {
      const std::string suffix = "_l" + std::to_string(layer) + (d == 1 ? "_reverse" : "");
      const auto read = [&](const std::string& name, std::vector<std::int64_t> shape) {
        return tensors.floats("lstm." + name + suffix, shape);
      };
      const auto append = [](std::vector<float>& to, const std::vector<float>& from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      append(w_ih, read("weight_ih", {rows, input}));
      append(w_hh, read("weight_hh", {rows, hidden}));
      const auto b_ih = read("bias_ih", {rows}), b_hh = read("bias_hh", {rows});
      for (int i = 0; i < rows; ++i) bias.push_back(b_ih[i] + b_hh[i]);
    }
    layers_.push_back({input,
                       {std::span<const float>(w_ih), kWeights},
                       {std::span<const float>(w_hh), kWeights},
                       {std::span<const float>(bias), kWeights}});
  }
}

const float* CudaLstm::operator()(const float* x, std::span<const LstmClip> clips, const LstmClip* device_clips,
                                  Workspace& w, cudaStream_t stream) const {
  const int count = int(clips.size()), sequences = count * directions_, gates = directions_ * 4 * hidden_;
  std::size_t rows = 0;
  for (const LstmClip& clip : clips) rows += std::size_t(clip.rows);
  w.gates.reserve(rows * gates, kStates);
  for (auto& states : w.states) states.reserve(rows * columns(), kStates);
  w.arrived.reserve(sequences, kStates);

  const LstmPlan plan = lstm_plan(hidden_, sequences, multiprocessors_, clusters_);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    for (const LstmClip& clip : clips) {  // a product each: cuBLAS chooses its order of sums by the number of rows
      const std::size_t first = std::size_t(clip.first_row);
      w.blas.multiply(x + first * layer.input, layer.w_ih.data(), w.gates.data() + first * gates, clip.rows, gates,
                      layer.input);
    }
    float* states = w.states[i % 2].data();
    lstm({hidden_, directions_, layer.w_hh.data(), layer.bias.data()}, plan, w.gates.data(), device_clips, count, states,
         w.arrived.data(), stream);
    x = states;
  }
  return x;
}

}  // namespace emo
