#include "weights/model_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/temp_dir.h"
#include "tests/throws.h"
#include "weights/layers.h"

namespace emo {
namespace {

/// A weight file in the making: tensors filled with 0.5, to be spoilt before it is written.
class ModelFileTest : public ::testing::Test {
 protected:
  void make(const ModelConfig& config, DType dtype = DType::kF32) {
    metadata_ = {{"emoengine", to_json(config)}};
    for (const TensorSpec& spec : tensors_of(config)) {
      std::size_t count = 1;
      for (const auto extent : spec.shape) count *= std::size_t(extent);
      add(spec.name, dtype, spec.shape, count);
    }
  }

  void add(const std::string& name, DType dtype, std::vector<std::int64_t> shape, std::size_t count) {
    bytes_[name].assign(count * size_of(dtype), std::byte{0x3f});
    tensors_[name] = {dtype, std::move(shape), bytes_[name]};
  }

  /// Overwrites one element of a tensor.
  template <typename T>
  void set(const std::string& name, std::size_t index, T stored) {
    std::memcpy(bytes_[name].data() + index * sizeof stored, &stored, sizeof stored);
  }

  ModelFile open() {
    write_safetensors(path_, tensors_, metadata_);
    return ModelFile(path_);
  }

  /// What opening it says, without the path in front.
  std::string text() {
    const std::string text = text_of(ErrorKind::kModel, [&] { open(); });
    const std::string path = path_.string() + ": ";
    return text.starts_with(path) ? text.substr(path.size()) : text;
  }

  static GeneratorConfig small_generator() {
    GeneratorConfig config;
    config.conv_dim = 2;
    config.res_blocks = 1;
    return config;
  }

  static SpeechConfig small_speech() {
    SpeechConfig config;
    config.lstm_hidden = 3;
    config.feature_mean.assign(39, 0);
    config.feature_std.assign(39, 1);
    return config;
  }

  TempDir dir_;
  std::filesystem::path path_ = dir_ / "m.safetensors";
  std::map<std::string, std::vector<std::byte>> bytes_;
  std::map<std::string, RawTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

TEST_F(ModelFileTest, OpensAGenerator) {
  make(small_generator());
  set("main.1.bias", 1, 7.5f);
  const ModelFile file = open();
  EXPECT_EQ(file.generator(), small_generator());
  EXPECT_EQ(file.name(), path_.string());
  EXPECT_EQ(file.floats("main.1.bias")[1], 7.5f);
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { file.speech(); }),
            path_.string() + ": is a generator; a speech model is needed");
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { file.floats("main.2.bias"); }), path_.string() + ": has no tensor main.2.bias");
}

TEST_F(ModelFileTest, OpensASpeechModel) {
  make(small_speech(), DType::kF16);
  const ModelFile file = open();
  EXPECT_EQ(file.speech(), small_speech());
  EXPECT_EQ(file.floats("fc.bias").size(), 17u);
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { file.generator(); }),
            path_.string() + ": is a speech model; a generator is needed");
}

TEST_F(ModelFileTest, ShowsItsConfigAsTheFileHoldsIt) {
  make(small_generator());
  metadata_["emoengine"] = to_json(small_generator(), 3);
  EXPECT_EQ(open().config_json(), to_json(small_generator(), 3));
}

TEST_F(ModelFileTest, SafetensorsOfOthersAreRefused) {
  make(small_generator());
  metadata_ = {{"format", "pt"}};
  EXPECT_EQ(
      text(),
      "has no metadata 'emoengine', so it is not a weight file of this engine; make one from a checkpoint with: emoengine "
      "convert");
}

TEST_F(ModelFileTest, ConfigErrorsNameTheFile) {
  make(small_generator());
  metadata_["emoengine"] = R"({"format": 1, "kind": "generator"})";
  EXPECT_EQ(text(), "metadata: conv_dim is missing; a generator needs it");
}

TEST_F(ModelFileTest, MissingTensorIsNamed) {
  make(small_generator());
  tensors_.erase("main.9.main.3.weight");
  EXPECT_EQ(text(), "has no tensor main.9.main.3.weight");
}

TEST_F(ModelFileTest, UnexpectedTensorIsNamed) {
  make(small_generator());
  add("main.0.bias", DType::kF32, {2}, 2);
  EXPECT_EQ(text(), "tensor 'main.0.bias' is not one that its config calls for");
}

TEST_F(ModelFileTest, WrongShapeIsNamed) {
  make(small_generator());
  add("main.3.weight", DType::kF32, {4, 2, 3, 3}, 72);
  EXPECT_EQ(text(), "main.3.weight has shape (4,2,3,3); (4,2,4,4) is needed");
}

TEST_F(ModelFileTest, IntegerWeightsAreRefused) {
  make(small_speech());
  add("fc.bias", DType::kI32, {17}, 17);
  EXPECT_EQ(text(), "fc.bias is I32; a floating type is needed");
}

TEST_F(ModelFileTest, NanAndInfinityAreNamedWithTheirIndexInEveryType) {
  const std::string said = "fc.bias holds a NaN or infinity at index 13; convert a checkpoint of finite weights";
  const auto spoilt = [&](DType dtype, auto infinity, auto nan, auto largest) {
    make(small_speech(), dtype);
    set("fc.bias", 13, largest);
    EXPECT_EQ(text(), "(no error)") << name_of(dtype);
    set("fc.bias", 16, infinity);
    set("fc.bias", 13, infinity);
    EXPECT_EQ(text(), said) << name_of(dtype);
    set("fc.bias", 13, nan);
    EXPECT_EQ(text(), said) << name_of(dtype);
  };
  spoilt(DType::kF16, std::uint16_t{0xfc00}, std::uint16_t{0x7c01}, std::uint16_t{0xfbff});
  spoilt(DType::kBF16, std::uint16_t{0xff80}, std::uint16_t{0x7f81}, std::uint16_t{0xff7f});
  spoilt(DType::kF32, 0xff800000u, 0x7f800001u, 0xff7fffffu);
  spoilt(DType::kF64, std::uint64_t{0xfff0} << 48, (std::uint64_t{0x7ff0} << 48) + 1, ~(std::uint64_t{0x0010} << 48));
}

TEST_F(ModelFileTest, ANanIsFoundWhereverItStands) {
  for (std::size_t index = 0; index < 17; ++index) {
    make(small_speech(), DType::kF16);
    set("fc.bias", index, std::uint16_t{0x7e00});
    EXPECT_EQ(text(), "fc.bias holds a NaN or infinity at index " + std::to_string(index) +
                          "; convert a checkpoint of finite weights");
  }
}

TEST_F(ModelFileTest, MaxTensorsIsKept) {
  make(small_speech());
  open();
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { ModelFile(path_, 3); }),
            path_.string() + ": holds 10 tensors; at most 3 are read. Raise `max_tensors`");
}

}  // namespace
}  // namespace emo
