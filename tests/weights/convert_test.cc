#include "weights/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tests/temp_dir.h"
#include "tests/throws.h"
#include "weights/checkpoint.h"
#include "weights/layers.h"
#include "weights/layouts.h"
#include "weights/model_file.h"

namespace emo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::filesystem::path kFolder = EMO_SOURCE_DIR "/tests/golden/checkpoints";

/// A state dict to be changed by a test and converted.
class StateDict {
 public:
  StateDict() = default;
  explicit StateDict(const std::string& file, const std::string& prefix = "") {
    const Checkpoint checkpoint(kFolder / file);
    for (const auto& [key, tensor] : checkpoint.tensors()) {
      tensors_[prefix + key] = {tensor.dtype, tensor.shape, tensor.contiguous()};
    }
  }

  void add(const std::string& key, std::vector<std::int64_t> shape, DType dtype = DType::kF32) {
    std::size_t bytes = size_of(dtype);
    for (const auto extent : shape) bytes *= std::size_t(extent);
    tensors_[key] = {dtype, std::move(shape), std::vector<std::byte>(bytes)};
  }
  void add_all(const StateDict& other) { tensors_.insert(other.tensors_.begin(), other.tensors_.end()); }
  void remove(const std::string& key) { ASSERT_EQ(tensors_.erase(key), 1u) << key; }
  template <typename T>
  void set(const std::string& key, std::size_t index, T value) {
    std::memcpy(tensors_.at(key).bytes.data() + index * sizeof value, &value, sizeof value);
  }

  void write(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata = {}) const {
    std::map<std::string, RawTensor> raw;
    for (const auto& [key, t] : tensors_) raw[key] = {t.dtype, t.shape, t.bytes};
    write_safetensors(path, raw, metadata);
  }

 private:
  struct Tensor {
    DType dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, Tensor> tensors_;
};

class Convert : public testing::Test {
 protected:
  ConvertReport run(const std::filesystem::path& in) { return convert(in, out_, options_); }
  ConvertReport run(const StateDict& state) {
    state.write(in_);
    return run(in_);
  }
  /// The text of the error, without the folder; checks that nothing is left behind.
  template <typename In>
  std::string error(const In& in) {
    std::string text = text_of(ErrorKind::kModel, [&] { run(in); });
    EXPECT_FALSE(std::filesystem::exists(out_));
    for (const auto& folder : {folder_.path(), kFolder}) {
      const std::string prefix = folder.string() + "/";
      for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) text.erase(at, prefix.size());
    }
    return text;
  }
  void config(const std::string& json) {
    options_.config = folder_ / "config.json";
    write_file(options_.config, json);
  }

  TempDir folder_;
  const std::filesystem::path in_ = folder_ / "in.safetensors", out_ = folder_ / "out.safetensors";
  ConvertOptions options_;
};

/// `out` holds exactly the tensors of `expected`, in `dtype`, with their values.
void expect_tensors(const std::filesystem::path& out, const std::filesystem::path& expected, DType dtype) {
  const ModelFile got(out);
  const SafeTensors want(expected);
  ASSERT_EQ(got.tensors().tensors().size(), want.tensors().size());
  for (const auto& [name, tensor] : want.tensors()) {
    EXPECT_EQ(got.tensors().at(name).dtype, dtype) << name;
    EXPECT_EQ(got.floats(name), want.floats(name, tensor.shape)) << name;
  }
}

GeneratorConfig sizes(int conv_dim, int res_blocks, bool affine) {
  GeneratorConfig config;
  config.conv_dim = conv_dim;
  config.res_blocks = res_blocks;
  config.norm_affine = affine;
  return config;
}

TEST_F(Convert, AlbertpumarolaKeepsItsNames) {
  const ConvertReport report = run(kFolder / "albertpumarola.pth");
  EXPECT_EQ(report.layout, Layout::kAlbertpumarola);
  EXPECT_EQ(report.config, ModelConfig(sizes(4, 1, true)));
  EXPECT_EQ(report.tensors, 9u + 7 * 2);
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(ModelFile(out_).config(), report.config);
}

TEST_F(Convert, DonydchenLosesTheBiasesThatCancel) {
  const ConvertReport report = run(kFolder / "donydchen.pth");
  EXPECT_EQ(report.layout, Layout::kDonydchen);
  EXPECT_EQ(report.config, ModelConfig(sizes(4, 1, false)));
  EXPECT_EQ(report.tensors, 9u);
  EXPECT_THAT(report.notes,
              ElementsAre("7 convolution biases left out: the InstanceNorm after each takes a constant away again"));
}

TEST_F(Convert, VipermuLosesStatisticsAndCopies) {
  const ConvertReport report = run(kFolder / "vipermu.pth");
  EXPECT_EQ(report.layout, Layout::kVipermu);
  EXPECT_EQ(report.config, ModelConfig(sizes(4, 1, true)));
  EXPECT_EQ(report.tensors, 9u + 7 * 2);
  EXPECT_THAT(report.notes,
              ElementsAre("running statistics of 7 layers left out: the published code normalises by each picture's own",
                          "96 tensors under debug* left out: copies of the layers under main"));
}

// The expected files were written from the modules of the network, not from their keys.
TEST_F(Convert, LegacyFilesGiveTheTensorsOfTheNetwork) {
  run(kFolder / "albertpumarola_legacy.pth");
  expect_tensors(out_, kFolder / "albertpumarola_legacy.safetensors", DType::kF32);  // fp64 in the source
  run(kFolder / "donydchen_legacy.pth");
  expect_tensors(out_, kFolder / "donydchen_legacy.safetensors", DType::kF16);
  const ConvertReport report = run(kFolder / "vipermu_legacy.pth");
  expect_tensors(out_, kFolder / "vipermu_legacy.safetensors", DType::kBF16);
  EXPECT_EQ(report.config, ModelConfig(sizes(1, 2, true)));
}

TEST_F(Convert, SafetensorsStateDictsAreTaken) {
  EXPECT_EQ(run(StateDict("donydchen_legacy.pth")).layout, Layout::kDonydchen);
  expect_tensors(out_, kFolder / "donydchen_legacy.safetensors", DType::kF16);
}

TEST_F(Convert, AWeightFileKeepsItsConfig) {
  const auto keeps_its_config = [&](const char* checkpoint) {
    const ModelConfig first = run(kFolder / checkpoint).config;
    std::filesystem::rename(out_, in_);
    options_ = {.dtype = DType::kF32};
    EXPECT_EQ(run(in_).config, first) << checkpoint;
  };
  config(R"({"crop_scale": 1.7, "au_scale": 5})");
  keeps_its_config("albertpumarola.pth");
  config(R"({"channel_order": "bgr"})");
  keeps_its_config("donydchen.pth");
  options_.config = kFolder / "speech.json";
  keeps_its_config("speech.pth");
}

TEST_F(Convert, TheUsersConfigComesOverThatOfAWeightFile) {
  config(R"({"crop_scale": 1.7, "au_scale": 5})");
  run(kFolder / "albertpumarola.pth");
  std::filesystem::rename(out_, in_);
  config(R"({"au_scale": 2})");
  const auto generator = std::get<GeneratorConfig>(run(in_).config);
  EXPECT_EQ(generator.crop_scale, 1.7);
  EXPECT_EQ(generator.au_scale, 2);
}

TEST_F(Convert, DamagedSettingsOfAWeightFileAreNamed) {
  StateDict("albertpumarola.pth").write(in_, {{ModelFile::kMetadataKey, R"({"width": 4})"}});
  EXPECT_THAT(error(in_), StartsWith("in.safetensors: metadata: key 'width' is not known for a generator"));
}

TEST_F(Convert, AnyPrefixIsTaken) {
  for (const char* prefix : {"module.", "netG.", "a/b/module.module."}) {
    EXPECT_EQ(run(StateDict("albertpumarola.pth", prefix)).tensors, 23u) << prefix;
  }
}

TEST_F(Convert, DtypeIsThatOfTheSourceUnlessNamed) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    options_.dtype = dtype;
    run(kFolder / "donydchen_legacy.pth");
    const ModelFile file(out_);
    for (const auto& [name, tensor] : file.tensors().tensors()) EXPECT_EQ(tensor.dtype, dtype) << name;
    const auto got = file.floats("main.0.weight");
    const auto want = SafeTensors(kFolder / "donydchen_legacy.safetensors").floats("main.0.weight", {{1, 20, 7, 7}});
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i], dtype == DType::kBF16 ? bf16_to_float(float_to_bf16(want[i])) : want[i]);
    }
  }
  options_.dtype = DType::kI32;
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { run(kFolder / "donydchen.pth"); }),
            "convert: cannot write I32; F32, F16 and BF16 can be written");
}

TEST_F(Convert, ValuesThatDoNotFitAreNamed) {
  StateDict state("albertpumarola.pth");
  state.set("main.3.weight", 2, 70000.f);
  EXPECT_EQ(run(state).tensors, 23u);
  std::filesystem::remove(out_);
  options_.dtype = DType::kF16;
  EXPECT_EQ(error(state), "in.safetensors: main.3.weight holds 70000 at [2], too large for F16; choose another `dtype`");
  state.set("main.3.weight", 2, std::numeric_limits<float>::max());
  options_.dtype = DType::kBF16;
  EXPECT_EQ(error(state),
            "in.safetensors: main.3.weight holds 3.40282e+38 at [2], too large for BF16; choose another `dtype`");
  state.set("main.3.weight", 2, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(error(state), "in.safetensors: main.3.weight holds nan at [2]; weights must be finite");
}

TEST_F(Convert, IntegerWeightsAreRefused) {
  StateDict state("albertpumarola.pth");
  state.add("main.1.bias", {4}, DType::kI64);
  EXPECT_EQ(error(state), "in.safetensors: main.1.bias is I64; a floating type is needed");
}

TEST_F(Convert, ShapesAreChecked) {
  StateDict state("albertpumarola.pth");
  state.add("main.3.weight", {8, 4, 3, 3});
  EXPECT_EQ(error(state), "in.safetensors: main.3.weight has shape (8,4,3,3); the generator needs (8,4,4,4)");
  state.remove("main.3.weight");
  EXPECT_EQ(error(state), "in.safetensors: main.3.weight is missing; the generator needs it, (8,4,4,4)");
  state.add("main.0.weight", {4, 3, 7, 7});
  EXPECT_EQ(error(state),
            "in.safetensors: main.0.weight has shape (4,3,7,7); up to 512 filters of 3 colours and 1 to 64 "
            "AUs are taken");
  state.add("main.0.weight", {4, 20});
  EXPECT_EQ(error(state),
            "in.safetensors: main.0.weight has shape (4,20); a convolution (filters,3+AUs,7,7) is needed there");
  state.remove("main.0.weight");
  EXPECT_EQ(error(state), "in.safetensors: main.0.weight is missing; a convolution (filters,3+AUs,7,7) is needed there");
}

TEST_F(Convert, OtherNetworksAreRefused) {
  StateDict biased("albertpumarola.pth");
  biased.add("img_reg.0.bias", {3});  // nothing after it would cancel this one
  EXPECT_EQ(error(biased),
            "in.safetensors: img_reg.0.bias is not part of the layout albertpumarola; this is another "
            "network, or needs another `layout`");
  StateDict batch_norm("donydchen_legacy.pth");
  batch_norm.add("state_dict/model.1.weight", {1});
  EXPECT_EQ(error(batch_norm),
            "in.safetensors: state_dict/model.1.weight is not part of the layout donydchen; this is "
            "another network, or needs another `layout`");
  StateDict none;
  none.add("conv1.weight", {1});
  EXPECT_EQ(error(none),
            "in.safetensors: no known model among its 1 tensors, the first of them conv1.weight; a key that "
            "ends in img_reg.0.weight (albertpumarola), color_top.0.weight (donydchen), im_reg.0.weight "
            "(vipermu), weight_ih_l0 (speech), answer.weight (reader) is needed");
  options_.layout = Layout::kVipermu;
  EXPECT_THAT(error(StateDict("albertpumarola.pth")), StartsWith("in.safetensors: no known model among its 23 tensors"));
}

TEST_F(Convert, SeveralModelsAreNamed) {
  StateDict two("albertpumarola.pth", "G/");
  two.add_all(StateDict("albertpumarola.pth", "G_ema/"));
  EXPECT_EQ(error(two),
            "in.safetensors: holds several models: albertpumarola under 'G/', albertpumarola under 'G_ema/'. "
            "Choose with `prefix` 'G_ema/' or `layout`");
  for (const char* prefix : {"G/", "G", "G_ema/", "G_ema"}) {
    options_.prefix = prefix;
    EXPECT_EQ(run(two).tensors, 23u) << prefix;
    std::filesystem::remove(out_);
  }
  for (const char* prefix : {"G_", "", "netG"}) {
    options_.prefix = prefix;
    EXPECT_EQ(error(two), concat("in.safetensors: holds no model under '", prefix,
                                 "', but albertpumarola under 'G/', albertpumarola under 'G_ema/'. Choose with `prefix`"));
  }
  options_.prefix.reset();
  StateDict both("albertpumarola.pth", "G/");
  both.add_all(StateDict("speech.pth", "S/"));
  EXPECT_THAT(error(both), StartsWith("in.safetensors: holds several models: albertpumarola under 'G/', speech under "));
  options_.layout = Layout::kAlbertpumarola;
  EXPECT_EQ(run(both).tensors, 23u);
}

TEST_F(Convert, AWantedTensorThatCannotBeReadIsNamed) {
  EXPECT_EQ(error(kFolder / "hostile/int8_layer.pth"),
            "hostile/int8_layer.pth: main.0.weight is a torch.CharStorage, which cannot be read; a convolution "
            "(filters,3+AUs,7,7) is needed there");
}

TEST_F(Convert, AuNamesComeFromTheConfigWhereThereAreNot17) {
  StateDict state("albertpumarola.pth");
  state.add("main.0.weight", {4, 5, 7, 7});
  EXPECT_EQ(error(state),
            "in.safetensors: its first layer takes 2 AUs and au_names lists 17. Name them with `config`: "
            R"({"au_names": ["AU01", ...]})");
  config(R"({"au_names": ["AU06", "AU12"], "image_size": 64, "channel_order": "bgr"})");
  GeneratorConfig expected = sizes(4, 1, true);
  expected.au_names = {"AU06", "AU12"};
  expected.image_size = 64;
  expected.channel_order = ChannelOrder::kBgr;
  EXPECT_EQ(run(state).config, ModelConfig(expected));
}

TEST_F(Convert, ConfigMayNotContradictTheFile) {
  config(R"({"conv_dim": 4, "res_blocks": 6})");
  EXPECT_EQ(error(kFolder / "albertpumarola.pth"),
            "config.json: res_blocks is 6 and albertpumarola.pth has 1; correct it or leave it out");
  config(R"({"norm_affine": true})");
  EXPECT_EQ(error(kFolder / "donydchen.pth"),
            "config.json: norm_affine is true and donydchen.pth has false; correct it or leave it out");
  config(R"({"kind": "speech"})");
  EXPECT_EQ(error(kFolder / "donydchen.pth"),
            R"(config.json: kind is "speech" and donydchen.pth has "generator"; correct it or leave it out)");
}

TEST_F(Convert, BadConfigsAreNamed) {
  config("{");
  EXPECT_THAT(error(kFolder / "donydchen.pth"), StartsWith("config.json: "));
  config(R"({"width": 4})");
  EXPECT_THAT(error(kFolder / "donydchen.pth"), StartsWith("config.json: key 'width' is not known for a generator"));
  options_.config = folder_ / "none.json";
  EXPECT_THAT(error(kFolder / "donydchen.pth"), StartsWith("none.json: cannot be opened"));
}

TEST_F(Convert, SpeechTakesTheLayerThatGivesTheAus) {
  options_.config = kFolder / "speech.json";
  const ConvertReport report = run(kFolder / "speech.pth");
  EXPECT_EQ(report.layout, Layout::kSpeech);
  const auto& speech = std::get<SpeechConfig>(report.config);
  EXPECT_EQ(speech.lstm_hidden, 5);
  EXPECT_EQ(speech.lstm_layers, 2);
  EXPECT_TRUE(speech.bidirectional);
  EXPECT_EQ(speech.readout, Readout::kLast);
  EXPECT_THAT(report.notes, ElementsAre("left out, neither LSTM nor the layer that gives the AUs: model/emotion.bias, "
                                        "model/emotion.weight"));
  expect_tensors(out_, kFolder / "speech.safetensors", DType::kF32);
}

TEST_F(Convert, SpeechNeedsTheScaleOfItsFeatures) {
  EXPECT_THAT(
      error(kFolder / "speech.pth"),
      StartsWith("speech.pth: feature_mean and feature_std are missing; the tensors of a speech model do not tell how "
                 "its features were scaled. Give both with `config`, and every other setting that differs from the "
                 R"(default: {"format":1,"kind":"speech","sample_rate_hz":16000,)"));
}

TEST_F(Convert, SpeechFeaturesMustMatch) {
  config(R"({"n_mfcc": 2, "feature_mean": [0, 0], "feature_std": [1, 1]})");
  EXPECT_EQ(error(kFolder / "speech.pth"),
            "speech.pth: model/rnn.lstm.weight_ih_l0 takes 13 features; n_mfcc = 2 without deltas gives 2");
}

TEST_F(Convert, SpeechLinearLayersMustBeClear) {
  options_.config = kFolder / "speech.json";
  StateDict two("speech.pth");
  two.add("model/fc2.weight", {17, 10});
  two.add("model/fc2.bias", {17});
  EXPECT_EQ(error(two),
            "in.safetensors: more than one linear layer gives 17 AUs from 10 LSTM states; of those with a bias "
            "it has model/emotion (7,10), model/fc2 (17,10), model/head.1 (17,10). Exactly one must fit au_names "
            "of `config`");
  StateDict none("speech.pth");
  none.remove("model/head.1.bias");
  EXPECT_EQ(error(none),
            "in.safetensors: no linear layer gives 17 AUs from 10 LSTM states; of those with a bias it has "
            "model/emotion (7,10). Exactly one must fit au_names of `config`");
  none.remove("model/emotion.bias");
  EXPECT_THAT(error(none), testing::HasSubstr("; of those with a bias it has none. "));
}

TEST_F(Convert, OtherRecurrentNetworksAreRefused) {
  options_.config = kFolder / "speech.json";
  StateDict gru("speech.pth");
  gru.add("model/rnn.lstm.weight_ih_l0", {15, 13});
  gru.add("model/rnn.lstm.weight_hh_l0", {15, 5});
  EXPECT_EQ(error(gru),
            "in.safetensors: model/rnn.lstm.weight_ih_l0 has shape (15,13) and weight_hh_l0 (15,5); an LSTM has "
            "(4*hidden,features) and (4*hidden,hidden), hidden up to 4096");
  StateDict projected("speech.pth");
  projected.add("model/rnn.lstm.weight_hr_l0", {3, 5});
  EXPECT_EQ(error(projected),
            "in.safetensors: model/rnn.lstm.weight_hr_l0 is not part of an LSTM of 2 layers; projections "
            "and other recurrent layers are not taken");
  StateDict unbiased("speech.pth");
  unbiased.remove("model/rnn.lstm.bias_hh_l1_reverse");
  EXPECT_EQ(error(unbiased),
            "in.safetensors: model/rnn.lstm.bias_hh_l1_reverse is missing; the speech model needs it, (20)");
}

TEST_F(Convert, AnOlderOutputSurvivesAnError) {
  write_file(out_, "older");
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { run(kFolder / "hostile/no_tensors.pth"); }),
            (kFolder / "hostile/no_tensors.pth").string() + ": holds no tensors under names; a state dict is needed");
  EXPECT_EQ(read_file(out_), "older");
}

TEST_F(Convert, AReaderNeedsWhatItsShapesDoNotTell) {
  const auto source = kFolder / "reader.safetensors";
  EXPECT_EQ(error(source), "reader.safetensors: answer.weight has shape (974,8,3,3); the face reader needs (974,8,16,16)");
  options_.config = kFolder / "reader.json";
  EXPECT_EQ(run(source).layout, Layout::kReader);
  const ModelFile model(out_);
  EXPECT_EQ(model.reader().channels, (std::vector{8, 12, 16, 8, 8}));
  EXPECT_EQ(model.reader().strides, (std::vector{2, 1, 2, 2, 2}));
  EXPECT_EQ(model.tensors().at("answer.weight").dtype, DType::kF16);
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { model.generator(); }),
            out_.string() + ": is a face reader; a generator is needed");
}

TEST_F(Convert, AReadersTrianglesAreCounted) {
  const SafeTensors golden(kFolder / "reader.safetensors");
  options_.config = kFolder / "reader.json";
  const auto with_triangles = [&](std::int64_t count, std::int64_t corners) {
    std::map<std::string, RawTensor> tensors = golden.tensors();
    std::map<std::string, std::vector<float>> values;
    const std::vector<TensorSpec> motion = {{"motion.mean", {478, 3}},
                                            {"motion.basis", {17, 478, 3}},
                                            {"motion.shade", {17, 68, 30}},
                                            {"motion.triangles", {count, corners}}};
    for (const TensorSpec& spec : motion) {
      std::size_t size = 1;
      for (const auto extent : spec.shape) size *= std::size_t(extent);
      values[spec.name].resize(size);
      tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(values[spec.name]))};
    }
    const auto path = folder_ / "motion.safetensors";
    write_safetensors(path, tensors, {});
    return path;
  };
  run(with_triangles(5, 3));
  EXPECT_EQ(ModelFile(out_).reader().triangles, 5);
  EXPECT_EQ(
      text_of(ErrorKind::kModel, [&] { run(with_triangles(5000, 3)); }),
      (folder_ / "motion.safetensors").string() + ": motion.triangles has shape (5000,3); 1 to 4096 triangles are taken");
}

TEST(Layouts, NamesAreThoseOfTheOption) {
  std::vector<std::string_view> names;
  for (const Layout layout :
       {Layout::kAuto, Layout::kAlbertpumarola, Layout::kDonydchen, Layout::kVipermu, Layout::kSpeech, Layout::kReader}) {
    names.push_back(name_of(layout));
  }
  EXPECT_THAT(names, ElementsAre("auto", "albertpumarola", "donydchen", "vipermu", "speech", "reader"));
}

}  // namespace
}  // namespace emo
