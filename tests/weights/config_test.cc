#include "weights/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/throws.h"

namespace emo {
namespace {

using ::testing::StartsWith;

std::string text_of_json(const std::string& json, bool complete = false) {
  return text_of(ErrorKind::kModel, [&] { config_from_json(json, "c", complete); });
}

/// to_json()'s text with a key under another name.
std::string without(std::string json, const std::string& key) {
  return json.replace(json.find("\"" + key + "\":"), 1, "\"no_");
}

SpeechConfig speech_config() {
  SpeechConfig config;
  config.feature_mean.assign(39, 0.25);
  config.feature_std.assign(39, 2);
  return config;
}

/// A config in which no value is the default's.
GeneratorConfig unusual_generator() {
  return {.conv_dim = 8,
          .res_blocks = 2,
          .image_size = 64,
          .norm_eps = 1e-3,
          .norm_affine = false,
          .au_names = {"AU12", "AU04"},
          .au_scale = 5,
          .mask_keeps_image = false,
          .pixel_min = 0,
          .pixel_max = 1,
          .channel_order = ChannelOrder::kBgr,
          .crop_scale = 1.3,
          .resize_filter = ResizeFilter::kBicubic};
}

SpeechConfig unusual_speech() {
  return {.sample_rate_hz = 22050,
          .n_fft = 1024,
          .win_length = 800,
          .hop_length = 441,
          .n_mels = 40,
          .f_min_hz = 20.5,
          .f_max_hz = 11025,
          .mel_scale = MelScale::kSlaney,
          .log_mode = LogMode::kLn,
          .top_db = -1,
          .n_mfcc = 1,
          .deltas = true,
          .trim_db = -1,
          .trim_pad_frames = 0,
          .voice_over_noise_db = 2,
          .voice_hold_frames = 3,
          .level_frames = 7,
          .utterance_mean_subtracted = false,
          .frame_stride = 1,
          .feature_mean = {0.1, 2, -3},
          .feature_std = {1e-3, 2, 3},
          .lstm_hidden = 5,
          .lstm_layers = 1,
          .bidirectional = true,
          .readout = Readout::kLast,
          .readout_window_s = 0.5,
          .live_window_s = 0.25,
          .emotion_sharpness = 2.5,
          .au_names = {"AU12"}};
}

TEST(Config, ComesBackFromItsJson) {
  for (const ModelConfig& config : {ModelConfig(GeneratorConfig{}), ModelConfig(unusual_generator()),
                                    ModelConfig(speech_config()), ModelConfig(unusual_speech())}) {
    EXPECT_EQ(config_from_json(to_json(config), "c", true), config) << to_json(config);
    EXPECT_EQ(config_from_json(to_json(config, 2), "c", true), config);
  }
}

TEST(Config, JsonBeginsWithFormatAndKind) {
  EXPECT_THAT(to_json(GeneratorConfig{}), StartsWith(R"({"format":1,"kind":"generator","conv_dim":64,)"));
  EXPECT_THAT(to_json(speech_config()), StartsWith(R"({"format":1,"kind":"speech","sample_rate_hz":16000,)"));
}

TEST(Config, AWeightFileMustNameEveryKeyOfItsFormat) {
  const auto expect_needed = [](const std::string& json, const std::string& kind, std::initializer_list<const char*> keys,
                                int later = 0) {
    EXPECT_EQ(std::count(json.begin(), json.end(), ':'), std::ptrdiff_t(keys.size()) + 2 + later);
    for (const std::string key : keys) {
      EXPECT_EQ(text_of_json(without(json, key), true), "c: " + key + " is missing; a " + kind + " needs it");
    }
    EXPECT_EQ(text_of_json(without(json, "format"), true), "c: format is missing");
    EXPECT_EQ(text_of_json(without(json, "kind"), true), "c: kind is missing");
  };
  expect_needed(to_json(GeneratorConfig{}), "generator",
                {"conv_dim", "res_blocks", "image_size", "norm_eps", "norm_affine", "au_names", "au_scale",
                 "mask_keeps_image", "pixel_min", "pixel_max", "channel_order", "crop_scale", "resize_filter"});
  expect_needed(to_json(speech_config()), "speech model",
                {"sample_rate_hz", "n_fft",        "win_length",       "hop_length",      "n_mels",
                 "f_min_hz",       "f_max_hz",     "mel_scale",        "log_mode",        "top_db",
                 "n_mfcc",         "deltas",       "trim_db",          "trim_pad_frames", "utterance_mean_subtracted",
                 "frame_stride",   "feature_mean", "feature_std",      "lstm_hidden",     "lstm_layers",
                 "bidirectional",  "readout",      "readout_window_s", "au_names"},
                6);
}

TEST(Config, AReadersKeysAreCheckedAndNamed) {
  EXPECT_EQ(std::get<ReaderConfig>(config_from_json(to_json(ReaderConfig{}), "c", true)), ReaderConfig{});
  EXPECT_TRUE(std::holds_alternative<ReaderConfig>(config_from_json(R"({"eyes_x": 0.4})", "c", false)));
  EXPECT_EQ(text_of_json(R"({"kind": "reader", "conv_dim": 64})"),
            "c: key 'conv_dim' is not known for a face reader; check its spelling, or use a newer emoengine");
  EXPECT_EQ(text_of_json(R"({"channels": [8, 8], "strides": [2]})"),
            "c: strides lists 1 values and channels 2; one of each a convolution is needed");
  EXPECT_EQ(text_of_json(R"({"channels": [8], "strides": [3]})"), "c: strides is 3; 1 to 2 is needed");
  EXPECT_EQ(text_of_json(R"({"channels": [8, 2000], "strides": [1, 2]})"), "c: channels is 2000; 1 to 512 is needed");
  EXPECT_EQ(text_of_json(R"({"channels": 8})"), "c: channels is 8; a list of integers is needed");
  EXPECT_EQ(text_of_json(R"({"confidence_threshold": 2})"), "c: confidence_threshold is 2; 0 to 1 is needed");
}

TEST(Config, WithoutTheKeysThatCameLaterAFileMeansWhatItMeant) {
  SpeechConfig config = speech_config();
  config.emotion_sharpness = 16;
  config.voice_change_db = config.voice_over_noise_db = config.voice_hold_frames = config.level_frames = 1;
  config.live_window_s = 1;
  std::string json = to_json(config);
  for (const char* key : {"emotion_sharpness", "voice_change_db", "voice_over_noise_db", "voice_hold_frames", "level_frames",
                          "live_window_s"}) {
    const std::size_t at = json.find('"' + std::string(key) + "\":");
    ASSERT_NE(at, std::string::npos) << json;
    json.erase(at, json.find(',', at) + 1 - at);
  }
  EXPECT_EQ(std::get<SpeechConfig>(config_from_json(json, "c", true)), speech_config());
}

TEST(Config, KeysLeftOutOfAConfigFileKeepTheirDefaults) {
  const auto generator = std::get<GeneratorConfig>(config_from_json(R"({"crop_scale": 2})", "c", false));
  EXPECT_EQ(generator.crop_scale, 2);
  EXPECT_EQ(generator.conv_dim, GeneratorConfig{}.conv_dim);
  const auto speech =
      std::get<SpeechConfig>(config_from_json(R"({"kind": "speech", "n_mfcc": 2, "deltas": true})", "c", false));
  EXPECT_EQ(speech.feature_mean, std::vector<double>(6, 0));
  EXPECT_EQ(speech.feature_std, std::vector<double>(6, 1));
}

TEST(Config, KindOfAConfigFileFollowsFromItsKeys) {
  EXPECT_TRUE(std::holds_alternative<SpeechConfig>(config_from_json(R"({"readout": "last"})", "c", false)));
  EXPECT_TRUE(std::holds_alternative<GeneratorConfig>(config_from_json(R"({"au_names": ["AU01"]})", "c", false)));
  EXPECT_TRUE(std::holds_alternative<GeneratorConfig>(config_from_json("{}", "c", false)));
}

TEST(Config, UnknownKeysAreNamed) {
  EXPECT_EQ(text_of_json(R"({"kind": "generator", "conv_dims": 64})"),
            "c: key 'conv_dims' is not known for a generator; check its spelling, or use a newer emoengine");
  EXPECT_EQ(text_of_json(R"({"kind": "speech", "conv_dim": 64})"),
            "c: key 'conv_dim' is not known for a speech model; check its spelling, or use a newer emoengine");
}

TEST(Config, FormatAndKindAreThoseOfThisBuild) {
  EXPECT_EQ(text_of_json(R"({"format": 2})"), "c: format is 2 and this build reads up to 1; use a newer emoengine");
  EXPECT_EQ(text_of_json(R"({"format": 0})"), "c: format is 0; 1 is needed");
  EXPECT_EQ(text_of_json(R"({"format": "1"})"), "c: format is \"1\"; 1 is needed");
  EXPECT_EQ(text_of_json(R"({"kind": "gan"})"), "c: kind is \"gan\"; \"generator\", \"speech\" or \"reader\" is needed");
  EXPECT_EQ(text_of_json(R"({"kind": 1})"), "c: kind is 1; \"generator\", \"speech\" or \"reader\" is needed");
}

TEST(Config, BadJsonIsRefused) {
  EXPECT_THAT(text_of_json("{\"conv_dim\": }"), StartsWith("c: is not valid JSON: parse error at line 1, column 14: "));
  EXPECT_EQ(text_of_json("[]"), "c: is not a JSON object");
  EXPECT_EQ(text_of_json(R"({"conv_dim": 8, "conv_dim": 9})"), "c: key 'conv_dim' stands there twice");
}

TEST(Config, TypesAreNotConverted) {
  EXPECT_EQ(text_of_json(R"({"conv_dim": 64.0})"), "c: conv_dim is 64.0; an integer is needed");
  EXPECT_EQ(text_of_json(R"({"conv_dim": 4294967360})"), "c: conv_dim is 4294967360; an integer is needed");
  EXPECT_EQ(text_of_json(R"({"conv_dim": -4294967232})"), "c: conv_dim is -4294967232; an integer is needed");
  EXPECT_EQ(text_of_json(R"({"norm_affine": 1})"), "c: norm_affine is 1; true or false is needed");
  EXPECT_EQ(text_of_json(R"({"norm_eps": "1e-5"})"), "c: norm_eps is \"1e-5\"; a number is needed");
  EXPECT_EQ(text_of_json(R"({"resize_filter": null})"),
            "c: resize_filter is null; \"area\" or \"bilinear\" or \"bicubic\" is needed");
  EXPECT_EQ(text_of_json(R"({"au_names": ["AU01", 2]})"), "c: au_names is [\"AU01\",2]; a list of strings is needed");
  EXPECT_EQ(text_of_json(R"({"feature_mean": 0})"), "c: feature_mean is 0; a list of numbers is needed");
}

TEST(Config, WordsAreChosenFromAList) {
  EXPECT_EQ(text_of_json(R"({"channel_order": "rbg"})"), R"(c: channel_order is "rbg"; "rgb" or "bgr" is needed)");
  EXPECT_EQ(text_of_json(R"({"resize_filter": "Area"})"),
            R"(c: resize_filter is "Area"; "area" or "bilinear" or "bicubic" is needed)");
  EXPECT_EQ(text_of_json(R"({"mel_scale": ["htk"]})"), R"(c: mel_scale is ["htk"]; "htk" or "slaney" is needed)");
  EXPECT_EQ(text_of_json(R"({"log_mode": "db"})"), R"(c: log_mode is "db"; "db_power" or "ln" is needed)");
  EXPECT_EQ(text_of_json(R"({"readout": 1})"), R"(c: readout is 1; "last" or "mean" is needed)");
}

TEST(Config, AnAbsurdFeatureCountIsRefusedBeforeItIsAllocated) {
  EXPECT_EQ(text_of_json(R"({"n_mfcc": 2000000000, "deltas": true})"), "c: n_mfcc is 2e+09; 1 to 64 is needed");
}

template <typename Config>
struct Refused {
  std::function<void(Config&)> change;
  const char* text;
};

TEST(Config, GeneratorValuesAreChecked) {
  using G = GeneratorConfig;
  const std::vector<Refused<G>> cases = {
      {[](G& c) { c.conv_dim = 0; }, "conv_dim is 0; 1 to 512 is needed"},
      {[](G& c) { c.res_blocks = 65; }, "res_blocks is 65; 1 to 64 is needed"},
      {[](G& c) { c.image_size = 4; }, "image_size is 4; 8 to 1024 is needed"},
      {[](G& c) { c.image_size = 126; }, "image_size is 126; a multiple of 4 is needed"},
      {[](G& c) { c.norm_eps = 0; }, "norm_eps is 0; 1e-12 to 1 is needed"},
      {[](G& c) { c.norm_eps = NAN; }, "norm_eps is nan; 1e-12 to 1 is needed"},
      {[](G& c) { c.au_names.clear(); }, "the number of au_names is 0; 1 to 64 is needed"},
      {[](G& c) { c.au_names.assign(65, "AU01"); }, "the number of au_names is 65; 1 to 64 is needed"},
      {[](G& c) { c.au_names[1] = "AU1"; }, "au_names holds 'AU1'; AU and two digits are needed, as AU01"},
      {[](G& c) { c.au_names[1] = "au02"; }, "au_names holds 'au02'; AU and two digits are needed, as AU01"},
      {[](G& c) { c.au_names[1] = "AU01"; }, "au_names holds AU01 twice"},
      {[](G& c) { c.au_scale = 0; }, "au_scale is 0; 0.001 to 1000 is needed"},
      {[](G& c) { c.pixel_min = -INFINITY; }, "pixel_min is -inf; -1000 to 1000 is needed"},
      {[](G& c) { c.pixel_max = 1001; }, "pixel_max is 1001; -1000 to 1000 is needed"},
      {[](G& c) { c.pixel_max = -1; }, "pixel_min -1 must be under pixel_max -1"},
      {[](G& c) { c.crop_scale = 11; }, "crop_scale is 11; 0.1 to 10 is needed"},
  };
  EXPECT_NO_THROW(check(GeneratorConfig{}, "c"));
  for (const auto& [change, text] : cases) {
    GeneratorConfig config;
    change(config);
    EXPECT_EQ(text_of(ErrorKind::kModel, [&] { check(config, "c"); }), std::string("c: ") + text);
  }
}

TEST(Config, SpeechValuesAreChecked) {
  using S = SpeechConfig;
  const std::vector<Refused<S>> cases = {
      {[](S& c) { c.sample_rate_hz = 999; }, "sample_rate_hz is 999; 1000 to 768000 is needed"},
      {[](S& c) { c.n_fft = 1; }, "n_fft is 1; 2 to 16384 is needed"},
      {[](S& c) { c.n_fft = 511; }, "n_fft is 511; an even number is needed"},
      {[](S& c) { c.win_length = 513; }, "win_length is 513; 1 to 512 is needed"},
      {[](S& c) { c.hop_length = 0; }, "hop_length is 0; 1 to 512 is needed"},
      {[](S& c) { c.n_mels = 513; }, "n_mels is 513; 1 to 512 is needed"},
      {[](S& c) { c.f_max_hz = 8001; }, "f_max_hz is 8001; 1 to 8000 is needed"},
      {[](S& c) { c.f_min_hz = -1; }, "f_min_hz is -1; 0 to 8000 is needed"},
      {[](S& c) { c.f_min_hz = 8000; }, "f_min_hz 8000 must be under f_max_hz 8000"},
      {[](S& c) { c.top_db = NAN; }, "top_db is nan; -1000 to 1000 is needed"},
      {[](S& c) { c.n_mfcc = 65; }, "n_mfcc is 65; 1 to 64 is needed"},
      {[](S& c) { c.trim_db = 2000; }, "trim_db is 2000; -1000 to 1000 is needed"},
      {[](S& c) { c.trim_pad_frames = -1; }, "trim_pad_frames is -1; 0 to 1e+06 is needed"},
      {[](S& c) { c.frame_stride = 0; }, "frame_stride is 0; 1 to 1000 is needed"},
      {[](S& c) { c.feature_mean.pop_back(); }, "feature_mean holds 38 numbers; 39 are needed, one a feature"},
      {[](S& c) { c.deltas = true; }, "feature_mean holds 39 numbers; 117 are needed, one a feature"},
      {[](S& c) { c.feature_std.push_back(1); }, "feature_std holds 40 numbers; 39 are needed, one a feature"},
      {[](S& c) { c.feature_mean[3] = NAN; }, "feature_mean is nan; -1e+06 to 1e+06 is needed"},
      {[](S& c) { c.feature_std[3] = 0; }, "feature_std is 0; 1e-06 to 1e+06 is needed"},
      {[](S& c) { c.lstm_hidden = 4097; }, "lstm_hidden is 4097; 1 to 4096 is needed"},
      {[](S& c) { c.lstm_layers = 0; }, "lstm_layers is 0; 1 to 8 is needed"},
      {[](S& c) { c.readout_window_s = 0; }, "readout_window_s is 0; 0.001 to 600 is needed"},
      {[](S& c) { c.voice_change_db = -1; }, "voice_change_db is -1; 0 to 100 is needed"},
      {[](S& c) { c.voice_change_db = 2, c.log_mode = LogMode::kLn; }, "voice_change_db 2 needs log_mode db_power"},
      {[](S& c) {
         c.voice_change_db = 2, c.deltas = true;
         c.feature_mean.resize(3 * c.n_mfcc), c.feature_std.resize(3 * c.n_mfcc);
       },
       "voice_change_db 2 needs deltas false: there are no slopes over a cut"},
      {[](S& c) { c.voice_over_noise_db = 101; }, "voice_over_noise_db is 101; 0 to 100 is needed"},
      {[](S& c) { c.voice_hold_frames = -1; }, "voice_hold_frames is -1; 0 to 1e+06 is needed"},
      {[](S& c) { c.level_frames = 0; }, "level_frames is 0; 1 to 1e+06 is needed"},
      {[](S& c) { c.live_window_s = 0; }, "live_window_s is 0; 0.001 to 600 is needed"},
      {[](S& c) { c.emotion_sharpness = -1; }, "emotion_sharpness is -1; 0 to 1000 is needed"},
      {[](S& c) { c.au_names[0] = "smile"; }, "au_names holds 'smile'; AU and two digits are needed, as AU01"},
  };
  EXPECT_NO_THROW(check(speech_config(), "c"));
  for (const auto& [change, text] : cases) {
    SpeechConfig config = speech_config();
    change(config);
    EXPECT_EQ(text_of(ErrorKind::kModel, [&] { check(config, "c"); }), std::string("c: ") + text);
  }
}

TEST(Config, ReadingChecksTheValues) {
  EXPECT_EQ(text_of_json(R"({"conv_dim": 0})"), "c: conv_dim is 0; 1 to 512 is needed");
}

TEST(Config, SeventeenActionUnitsInTheOrderOfOpenFace) {
  EXPECT_THAT(default_au_names(),
              ::testing::ElementsAre("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15",
                                     "AU17", "AU20", "AU23", "AU25", "AU26", "AU45"));
}

}  // namespace
}  // namespace emo
