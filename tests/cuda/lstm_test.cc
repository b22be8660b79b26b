#include "engine/backend/cuda/lstm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/close.h"
#include "tests/cpu/golden.h"
#include "tests/random_speech.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

/// One clip's states.
std::vector<float> states(const CudaLstm& lstm, const Matrix& x) {
  const Stream stream;
  CudaLstm::Workspace workspace(stream.get());
  const std::vector<LstmClip> clips = {{0, x.rows}};
  const Buffer<LstmClip> on_device(clips);
  const Buffer<float> in(x.values);
  const float* out = lstm(in, clips, on_device, workspace, stream.get());
  stream.wait();
  std::vector<float> host(std::size_t(x.rows) * lstm.columns());
  EMO_CUDA(cudaMemcpy(host.data(), out, host.size() * sizeof(float), cudaMemcpyDeviceToHost));
  return host;
}

TEST(CudaLstm, MatchesPyTorch) {
  const SafeTensors golden(golden_path("speech_lstm.safetensors"));
  for (const std::string name : {"narrow", "long", "both_ways", "one_frame"}) {
    SCOPED_TRACE(name);
    const Matrix x = read_matrix(golden, name + "/x"), want = read_matrix(golden, name + "/states");
    std::map<std::string, RawTensor> weights;
    int layers = 0;
    bool bidirectional = false;
    for (const auto& [key, tensor] : golden.tensors()) {
      if (!key.starts_with(name + "/lstm.")) continue;
      weights[key.substr(name.size() + 1)] = tensor;
      layers += key.starts_with(name + "/lstm.weight_ih") && !key.ends_with("_reverse");
      bidirectional |= key.ends_with("_reverse");
    }
    const TempDir folder;
    write_safetensors(folder / "lstm.safetensors", weights, {});
    const CudaLstm lstm(SafeTensors(folder / "lstm.safetensors"), x.cols, want.cols / (bidirectional ? 2 : 1), layers,
                        bidirectional);
    for_each_seed([&] { expect_close(states(lstm, x), want.values, 1e-5); });
  }
}

TEST(CudaLstm, MoreUnitsThanKernelOrGpuTakeAreRefused) {
  const TempDir folder;
  write_safetensors(folder / "wide.safetensors", {}, {});
  const SafeTensors tensors(folder / "wide.safetensors");
  EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { CudaLstm(tensors, 39, 513, 1, false); }),
            concat("cuda: ", tensors.name(), " has 513 LSTM units; at most 512 are taken. Use `backend` cpu"));
#ifdef EMO_SIMT  // a device has more
  EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { CudaLstm(tensors, 39, 300, 1, false); }),
            concat("cuda: ", tensors.name(),
                   " has 300 LSTM units, whose weights fill 13 multiprocessors; this GPU has 8. Use `backend` cpu"));
#endif
}

TEST(CudaLstm, MissingTensorIsNamed) {
  const TempDir folder;
  write_safetensors(folder / "empty.safetensors", {}, {});
  const SafeTensors tensors(folder / "empty.safetensors");
  EXPECT_THAT(text_of(ErrorKind::kModel, [&] { CudaLstm(tensors, 39, 8, 1, false); }),
              testing::HasSubstr("lstm.weight_ih_l0"));
}

}  // namespace
}  // namespace emo
