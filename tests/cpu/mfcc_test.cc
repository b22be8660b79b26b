#include "engine/backend/cpu/mfcc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <thread>

#include "base/error.h"
#include "tests/close.h"
#include "tests/cpu/golden.h"

namespace emo {
namespace {

std::vector<float> noise(std::size_t samples, double gain = 0.1) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, float(gain));
  std::vector<float> pcm(samples);
  for (float& x : pcm) x = normal(random);
  return pcm;
}

/// The formulas of mfcc.h in fp64: a padded clip, a slow Fourier sum, a whole filter matrix. For the htk scale and db_power.
Matrix reference(std::vector<float> pcm, const SpeechConfig& c) {
  const int half = c.n_fft / 2;
  pcm.resize(std::max<std::size_t>(pcm.size(), half + 1));
  std::vector<double> clip;
  for (int i = half; i > 0; --i) clip.push_back(pcm[i]);
  clip.insert(clip.end(), pcm.begin(), pcm.end());
  for (int i = 0; i < half; ++i) clip.push_back(pcm[pcm.size() - 2 - i]);

  const auto mel = [](double hz) { return 2595 * std::log10(1 + hz / 700); };
  const auto hz = [](double mel) { return 700 * (std::pow(10, mel / 2595) - 1); };
  const double mel_min = mel(c.f_min_hz), mel_step = (mel(c.f_max_hz) - mel_min) / (c.n_mels + 1);
  constexpr double pi = std::numbers::pi;

  const int T = 1 + int(pcm.size()) / c.hop_length;
  std::vector<std::vector<double>> db(T, std::vector<double>(c.n_mels));
  double loudest = -1e9;
  for (int t = 0; t < T; ++t) {
    std::vector<double> power(half + 1);
    for (int k = 0; k <= half; ++k) {
      double re = 0, im = 0;
      for (int i = 0; i < c.win_length; ++i) {
        const int at = (c.n_fft - c.win_length) / 2 + i;
        const double x = clip[t * c.hop_length + at] * (0.5 - 0.5 * std::cos(2 * pi * i / c.win_length));
        re += x * std::cos(2 * pi * k * at / c.n_fft);
        im -= x * std::sin(2 * pi * k * at / c.n_fft);
      }
      power[k] = re * re + im * im;
    }
    for (int m = 0; m < c.n_mels; ++m) {
      const double low = hz(mel_min + m * mel_step), peak = hz(mel_min + (m + 1) * mel_step);
      const double high = hz(mel_min + (m + 2) * mel_step);
      double sum = 0;
      for (int k = 0; k <= half; ++k) {
        const double f = k * double(c.sample_rate_hz / 2) / half;
        sum += power[k] * std::max(0.0, std::min((f - low) / (peak - low), (high - f) / (high - peak)));
      }
      db[t][m] = 10 * std::log10(std::max(1e-10, sum));
      loudest = std::max(loudest, db[t][m]);
    }
  }
  Matrix out(T, c.n_mfcc);
  for (int t = 0; t < T; ++t) {
    for (int k = 0; k < c.n_mfcc; ++k) {
      double sum = 0;
      for (int m = 0; m < c.n_mels; ++m) {
        sum += std::max(db[t][m], loudest - c.top_db) * std::cos(pi / c.n_mels * (m + 0.5) * k);
      }
      out.row(t)[k] = float(sum * std::sqrt((k == 0 ? 1.0 : 2.0) / c.n_mels));
    }
  }
  return out;
}

TEST(Mfcc, MatchesTorchaudio) {
  const SafeTensors golden(golden_path("speech_mfcc.safetensors"));
  ASSERT_EQ(golden.metadata().size(), 16u);
  for (const auto& [name, json] : golden.metadata()) {
    SCOPED_TRACE(name);
    const auto config = std::get<SpeechConfig>(config_from_json(json, name, true));
    const Matrix got = Mfcc(config)(read_floats(golden, name.substr(0, name.find('/')) + ".pcm"));
    const Matrix want = read_matrix(golden, name);
    EXPECT_EQ(got.rows, want.rows);
    EXPECT_EQ(got.cols, want.cols);
    expect_close(got.values, want.values, 1e-2);
  }
}

TEST(Mfcc, MatchesASlowFourierSumAtOddSizes) {
  struct Sizes {
    int n_fft, win_length, hop_length, n_mels, n_mfcc, samples;
  };
  for (const Sizes& s :
       {Sizes{34, 19, 7, 5, 3, 111}, {46, 46, 46, 7, 7, 100}, {26, 1, 3, 3, 1, 40}, {38, 37, 11, 6, 4, 5}}) {
    SCOPED_TRACE(s.n_fft);
    SpeechConfig config;
    config.sample_rate_hz = 8001;  // odd: the bins reach up to 4000 Hz
    config.f_max_hz = 4000;
    config.n_fft = s.n_fft;
    config.win_length = s.win_length;
    config.hop_length = s.hop_length;
    config.n_mels = s.n_mels;
    config.n_mfcc = s.n_mfcc;
    const auto pcm = noise(s.samples);
    const Matrix want = reference(pcm, config);
    // fp32 spectrum of noise: a band's power holds 5 digits or more, 10 log10 of that 1e-4; the sum over bands 3 times that.
    expect_close(Mfcc(config)(pcm).values, want.values, 1e-3);
  }
}

TEST(Mfcc, FramesAreOnePlusSamplesOverHop) {
  const Mfcc mfcc{SpeechConfig{}};
  for (const std::size_t samples : {257, 319, 320, 321, 16000}) EXPECT_EQ(mfcc(noise(samples)).rows, 1 + int(samples) / 160);
}

TEST(Mfcc, ClipTooShortToReflectIsPaddedWithZeros) {
  const Mfcc mfcc{SpeechConfig{}};
  for (const std::size_t samples : {1, 2, 255, 256}) {
    auto pcm = noise(samples);
    const Matrix got = mfcc(pcm);
    pcm.resize(257);
    EXPECT_EQ(got.values, mfcc(pcm).values) << samples;
  }
}

TEST(Mfcc, SilenceIsFinite) {
  for (const LogMode log_mode : {LogMode::kDbPower, LogMode::kLn}) {
    SpeechConfig config;
    config.log_mode = log_mode;
    for (const float x : Mfcc(config)(std::vector<float>(1000)).values) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST(Mfcc, LoudestSampleTakenIsFinite) {
  for (const float x : Mfcc(SpeechConfig{})(std::vector<float>(1000, 1e12f)).values) ASSERT_TRUE(std::isfinite(x));
}

TEST(Mfcc, GainMovesTheFirstCoefficientOnly) {
  const Mfcc mfcc{SpeechConfig{}};
  const auto pcm = noise(3000);
  auto louder = pcm;
  for (float& x : louder) x *= 2;
  Matrix quiet = mfcc(pcm), loud = mfcc(louder);
  // Every band rises by 10 log10 4 dB; of a constant the DCT-II sees sqrt(n_mels) times that in coefficient 0.
  for (int t = 0; t < quiet.rows; ++t) quiet.row(t)[0] += float(10 * std::log10(4.0) * std::sqrt(64.0));
  // Bands are near 0 dB, so 64 of them leave a rounding of some 64 * 30 * 6e-8.
  expect_close(loud.values, quiet.values, 5e-4);
}

TEST(Mfcc, DeltasFollowTheCoefficientsAndAreSlopesOverFiveFrames) {
  SpeechConfig config;
  config.n_mfcc = 13;
  const auto pcm = noise(1500);
  const Matrix plain = Mfcc(config)(pcm);
  config.deltas = true;
  const Matrix all = Mfcc(config)(pcm);
  ASSERT_EQ(all.cols, 39);
  const auto slope = [&](int t, int i) {
    const auto x = [&](int s) { return double(all.row(std::clamp(s, 0, all.rows - 1))[i]); };
    return (2 * (x(t + 2) - x(t - 2)) + x(t + 1) - x(t - 1)) / 10;
  };
  for (int t = 0; t < all.rows; ++t) {
    for (int i = 0; i < 13; ++i) {
      EXPECT_EQ(all.row(t)[i], plain.row(t)[i]);
      EXPECT_NEAR(all.row(t)[13 + i], slope(t, i), 1e-4);
      EXPECT_NEAR(all.row(t)[26 + i], slope(t, 13 + i), 1e-4);
    }
  }
}

TEST(Mfcc, SameBytesFromManyThreads) {
  const Mfcc mfcc{SpeechConfig{}};
  const auto pcm = noise(8000);
  std::vector<Matrix> got(4);
  std::vector<std::thread> threads;
  for (Matrix& m : got) threads.emplace_back([&] { m = mfcc(pcm); });
  for (std::thread& t : threads) t.join();
  for (const Matrix& m : got) EXPECT_EQ(m.values, got[0].values);
}

std::string error_of(const std::vector<float>& pcm) {
  try {
    Mfcc{SpeechConfig{}}(pcm);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    return e.what();
  }
  return "no error";
}

TEST(Mfcc, EmptyClipIsRefused) {
  EXPECT_EQ(error_of({}), "audio: the clip has no samples; a clip with sound in it is needed");
}

TEST(Mfcc, SampleThatIsNoSoundIsNamed) {
  const auto with = [](float x) { return std::vector<float>{0, 0.5f, x, 0}; };
  const std::string rest = "; finite samples, full scale at 1, are needed. Decode or record the clip again";
  EXPECT_EQ(error_of(with(std::numeric_limits<float>::quiet_NaN())), "audio: sample 2 of 4 is nan" + rest);
  EXPECT_EQ(error_of(with(-std::numeric_limits<float>::infinity())), "audio: sample 2 of 4 is -inf" + rest);
  EXPECT_EQ(error_of(with(1e20f)), "audio: sample 2 of 4 is 1e+20" + rest);
}

}  // namespace
}  // namespace emo
