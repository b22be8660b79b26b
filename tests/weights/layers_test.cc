#include "weights/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/throws.h"

namespace emo {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> keys(const std::vector<LayerSpec>& layers) {
  std::vector<std::string> keys;
  for (const LayerSpec& layer : layers) keys.push_back(layer.key);
  return keys;
}

std::vector<std::string> lines(const std::vector<TensorSpec>& tensors) {
  std::vector<std::string> lines;
  for (const TensorSpec& t : tensors) {
    std::string line = t.name;
    for (const auto extent : t.shape) line += " " + std::to_string(extent);
    lines.push_back(line);
  }
  return lines;
}

TEST(Layers, KeysAreThoseOfTheAuthorsCheckpoint) {
  GeneratorConfig config;
  config.res_blocks = 1;
  EXPECT_THAT(keys(generator_layers(config)), ElementsAre("main.0", "main.3", "main.6", "main.9.main.0", "main.9.main.3",
                                                          "main.10", "main.13", "img_reg.0", "attetion_reg.0"));
}

TEST(Layers, DeconvolutionsFollowTheLastResidualBlock) {
  const auto layers = generator_layers(GeneratorConfig{});
  ASSERT_EQ(layers.size(), 3u + 12 + 4);
  EXPECT_EQ(layers[13].key, "main.14.main.0");
  EXPECT_EQ(layers[13].norm_key, "main.14.main.1");
  EXPECT_EQ(layers[14].norm_key, "main.14.main.4");
  EXPECT_EQ(layers[15].key, "main.15");
  EXPECT_EQ(layers[15].norm_key, "main.16");
  EXPECT_EQ(layers[16].key, "main.18");
  EXPECT_EQ(layers[16].norm_key, "main.19");
}

TEST(Layers, EachReadsWhatTheOneBeforeWrites) {
  GeneratorConfig config;
  config.conv_dim = 7;
  config.res_blocks = 3;
  config.au_names = {"AU12"};
  const auto layers = generator_layers(config, 20);
  EXPECT_EQ(layers.front().in, (Shape{1, 4, 20, 20}));
  for (std::size_t i = 1; i + 1 < layers.size(); ++i) EXPECT_EQ(layers[i].in, layers[i - 1].out) << layers[i].key;
  EXPECT_EQ(layers[2].out, (Shape{1, 28, 5, 5}));
  const auto& colour = layers[layers.size() - 2];
  const auto& mask = layers.back();
  EXPECT_EQ(mask.in, colour.in);
  EXPECT_EQ(colour.out, (Shape{1, 3, 20, 20}));
  EXPECT_EQ(mask.out, (Shape{1, 1, 20, 20}));
}

TEST(Layers, OnlyTheSecondHalfOfABlockAddsItsInputAndNeitherHeadIsNormalised) {
  for (const LayerSpec& layer : generator_layers(GeneratorConfig{})) {
    EXPECT_EQ(layer.adds_block_input, layer.key.ends_with(".main.3")) << layer.key;
    EXPECT_EQ(layer.norm == Norm::kNone, layer.key.ends_with("_reg.0")) << layer.key;
    EXPECT_EQ(layer.norm_key.empty(), layer.norm == Norm::kNone) << layer.key;
  }
  const auto layers = generator_layers(GeneratorConfig{});
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(feeds_block(layers, i), layers[i].key == "main.6" || (layers[i].adds_block_input && i < 14)) << layers[i].key;
  }
  EXPECT_EQ(layers[3].act, Act::kRelu);
  EXPECT_EQ(layers[4].act, Act::kNone);
  EXPECT_EQ(layers[17].act, Act::kTanh);
  EXPECT_EQ(layers[18].act, Act::kSigmoid);
}

TEST(Layers, ThePublishedNetworkTakes21GigaflopAnImage) {
  // By hand, in multiplications: stem 16384*20*64*49, two halvings and two doublings of 1024*128*256*16 each, twelve
  // convolutions of 1024*256*256*9, heads 16384*64*4*49.
  EXPECT_EQ(generator_flops(GeneratorConfig{}),
            2 * (16384. * 20 * 64 * 49 + 4 * 1024. * 128 * 256 * 16 + 12 * 1024. * 256 * 256 * 9 + 16384. * 64 * 4 * 49));
  EXPECT_NEAR(generator_flops(GeneratorConfig{}) * 1e-9, 21.3, 0.05);
  EXPECT_EQ(generator_flops(GeneratorConfig{}, 256), 4 * generator_flops(GeneratorConfig{}));
}

TEST(Layers, AnLstmMultipliesByEachWeightOnceAStep) {
  SpeechConfig config;
  config.lstm_hidden = 96;
  config.lstm_layers = 2;
  config.frame_stride = 2;
  // 39 features and 96 states into four gates, then 96 and 96; 50 steps a second.
  EXPECT_EQ(speech_flops(config, 3), 2 * 150. * 4 * 96 * (39 + 96 + 96 + 96));
  config.bidirectional = true;
  EXPECT_EQ(speech_flops(config, 3), 2 * 150. * 2 * 4 * 96 * (39 + 96 + 192 + 96));
}

TEST(Layers, SidesThatTheNetworkCannotTakeAreRefused) {
  for (const int side : {4, 126, 130, 1028, -128}) {
    EXPECT_EQ(text_of(ErrorKind::kModel, [&] { generator_layers(GeneratorConfig{}, side); }),
              "generator: cannot take a picture with a side of " + std::to_string(side) +
                  " px; a multiple of 4 from 8 to 1024 is needed");
  }
  EXPECT_NO_THROW(generator_layers(GeneratorConfig{}, 8));
  EXPECT_NO_THROW(generator_layers(GeneratorConfig{}, 1024));
}

TEST(Layers, GeneratorTensorsHoldScaleAndShiftOnlyWhenAffine) {
  GeneratorConfig config;
  config.conv_dim = 2;
  config.res_blocks = 1;
  EXPECT_THAT(lines(generator_tensors(config)),
              ElementsAre("main.0.weight 2 20 7 7", "main.1.weight 2", "main.1.bias 2",                      //
                          "main.3.weight 4 2 4 4", "main.4.weight 4", "main.4.bias 4",                       //
                          "main.6.weight 8 4 4 4", "main.7.weight 8", "main.7.bias 8",                       //
                          "main.9.main.0.weight 8 8 3 3", "main.9.main.1.weight 8", "main.9.main.1.bias 8",  //
                          "main.9.main.3.weight 8 8 3 3", "main.9.main.4.weight 8", "main.9.main.4.bias 8",  //
                          "main.10.weight 8 4 4 4", "main.11.weight 4", "main.11.bias 4",                    //
                          "main.13.weight 4 2 4 4", "main.14.weight 2", "main.14.bias 2",                    //
                          "img_reg.0.weight 3 2 7 7", "attetion_reg.0.weight 1 2 7 7"));
  config.norm_affine = false;
  EXPECT_EQ(generator_tensors(config).size(), 9u);
}

TEST(Layers, SpeechTensorsAreNamedAsTorchNamesThem) {
  SpeechConfig config;
  config.n_mfcc = 13;
  config.deltas = true;
  config.lstm_hidden = 5;
  config.bidirectional = true;
  EXPECT_THAT(lines(speech_tensors(config)),
              ElementsAre("lstm.weight_ih_l0 20 39", "lstm.weight_hh_l0 20 5", "lstm.bias_ih_l0 20", "lstm.bias_hh_l0 20",
                          "lstm.weight_ih_l0_reverse 20 39", "lstm.weight_hh_l0_reverse 20 5", "lstm.bias_ih_l0_reverse 20",
                          "lstm.bias_hh_l0_reverse 20",  //
                          "lstm.weight_ih_l1 20 10", "lstm.weight_hh_l1 20 5", "lstm.bias_ih_l1 20", "lstm.bias_hh_l1 20",
                          "lstm.weight_ih_l1_reverse 20 10", "lstm.weight_hh_l1_reverse 20 5", "lstm.bias_ih_l1_reverse 20",
                          "lstm.bias_hh_l1_reverse 20",  //
                          "fc.weight 17 10", "fc.bias 17"));
  config.bidirectional = false;
  config.lstm_layers = 1;
  EXPECT_THAT(lines(speech_tensors(config)),
              ElementsAre("lstm.weight_ih_l0 20 39", "lstm.weight_hh_l0 20 5", "lstm.bias_ih_l0 20", "lstm.bias_hh_l0 20",
                          "fc.weight 17 5", "fc.bias 17"));
}

TEST(Layers, ActivationsThatNoBackendComputesAreRefused) {
  auto layers = generator_layers(GeneratorConfig());
  EXPECT_TRUE(ends_in_relu(layers[0]));
  EXPECT_FALSE(ends_in_relu(layers[4]));
  EXPECT_NO_THROW(check_heads(layers));
  layers[0].act = Act::kTanh;
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { ends_in_relu(layers[0]); }),
            "layers: main.0 ends in an activation that no backend computes after a normalisation; ReLU or none is needed");
  layers.back().act = Act::kRelu;
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { check_heads(layers); }),
            "layers: attetion_reg.0 is a head; a sigmoid without normalisation is needed");
}

}  // namespace
}  // namespace emo
