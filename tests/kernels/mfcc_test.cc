#include "kernels/mfcc.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>

#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"

namespace emo {
namespace {

TEST(WindowFrames, ReflectsTheClipAtBothEnds) {
  for (const MfccShape& s : {MfccShape{111, 34, 19, 7}, {100, 46, 46, 46}, {40, 26, 1, 3}, {600, 512, 399, 160}}) {
    SCOPED_TRACE(s.n_fft);
    const auto pcm = random_values(s.samples, 1, -1, 1), window = random_values(s.win_length, 2, 0, 1);
    const Buffer<float> from(pcm), weights(window);
    const int first = 1, count = s.frames() - 1;
    const Buffer<float> out(std::size_t(count) * s.n_fft);
    window_frames(from, s, weights, first, count, out, nullptr);
    std::vector<float> want(out.size(), 0.f);
    for (int t = first; t < s.frames(); ++t) {
      for (int i = 0; i < s.win_length; ++i) {
        const int left = (s.n_fft - s.win_length) / 2;
        int at = std::abs(t * s.hop_length - s.n_fft / 2 + left + i);
        if (at >= s.samples) at = 2 * int(s.samples - 1) - at;
        want[std::size_t(t - first) * s.n_fft + left + i] = window[i] * pcm[at];
      }
    }
    EXPECT_EQ(out.host(), want);
  }
}

TEST(WindowFrames, ZerosFollowAClipTooShortToReflect) {
  const MfccShape s{3, 8, 8, 2};
  const Buffer<float> pcm(std::vector<float>{1, 2, 3}), window(std::vector<float>(8, 1.f)), out(s.frames() * 8);
  window_frames(pcm, s, window, 0, s.frames(), out, nullptr);
  // The clip is 1 2 3 0 0, and its frames are centred at samples 0, 2 and 4.
  EXPECT_EQ(out.host(), (std::vector<float>{0, 0, 3, 2, 1, 2, 3, 0,  //
                                            3, 2, 1, 2, 3, 0, 0, 0,  //
                                            1, 2, 3, 0, 0, 0, 3, 2}));
}

struct Bands {
  std::vector<int> first_bin, begin = {0};
  std::vector<float> weights;
};

/// Bands of 0, 1, 2 ... bins.
Bands bands_of(int n_mels, int bins) {
  Bands b;
  for (int m = 0; m < n_mels; ++m) {
    b.first_bin.push_back(m % bins);
    const int count = std::min(m, bins - m % bins);
    for (int i = 0; i < count; ++i) b.weights.push_back(float(i + 1) / float(m + 1));
    b.begin.push_back(int(b.weights.size()));
  }
  return b;
}

TEST(LogMel, MatchesAPlainLoop) {
  for (const bool natural : {false, true}) {
    for (const MfccShape& s : {MfccShape{1000, 2, 2, 7, 1, 1}, {1000, 12, 12, 7, 3, 1}, {1000, 512, 400, 160, 131, 1}}) {
      SCOPED_TRACE(s.n_mels);
      const int count = 5, bins = s.bins();
      const Bands b = bands_of(s.n_mels, bins);
      const auto values = random_values(2 * count * bins, 3, -9, 9);
      std::vector<float2> spectrum(count * bins);
      for (std::size_t i = 0; i < spectrum.size(); ++i) spectrum[i] = {values[2 * i], values[2 * i + 1]};
      std::vector<float> want;
      for (int t = 0; t < count; ++t) {
        for (int m = 0; m < s.n_mels; ++m) {
          double mel = 0;
          for (int i = b.begin[m]; i < b.begin[m + 1]; ++i) {
            const float2 v = spectrum[t * bins + b.first_bin[m] + i - b.begin[m]];
            mel += b.weights[i] * (double(v.x) * v.x + double(v.y) * v.y);
          }
          want.push_back(float(natural ? std::log(mel + 1e-6f) : 10 * std::log10(std::max(1e-10, mel))));
        }
      }
      const Buffer<float2> from(spectrum);
      const Buffer<int> first_bin(b.first_bin), begin(b.begin);
      const Buffer<float> weights(b.weights), out(want.size());
      const Buffer<unsigned> loudest(std::vector<unsigned>{0});
      for_each_seed([&] {
        log_mel(from, s, {first_bin, begin, weights}, count, out, natural ? nullptr : loudest.get(), nullptr);
        // Positive terms keep their digits: 100 roundings of the sum, 3 of the logarithm of up to 100 dB.
        expect_close(out.host(), want, 10 / std::log(10.) * 100 * FLT_EPSILON + 3 * 100 * FLT_EPSILON);
      });
      EXPECT_EQ(loudest.host()[0] == 0, natural);
    }
  }
}

/// What log_mel leaves for a clip whose largest value is this: of one bin and one band.
unsigned ordered_loudest(const std::vector<float>& decibels) {
  std::vector<float2> spectrum;
  for (const float db : decibels) spectrum.insert(spectrum.end(), 2, {std::pow(10.f, db / 20), 0});
  const Buffer<float2> from(spectrum);
  const Buffer<int> first_bin(std::vector<int>{0}), begin(std::vector<int>{0, 1});
  const Buffer<float> weights(std::vector<float>{1.f}), out(decibels.size());
  const Buffer<unsigned> loudest(std::vector<unsigned>{0});
  for (std::size_t i = 0; i < decibels.size(); ++i) {  // a call a frame, as for the pieces of a long clip
    log_mel(from + 2 * i, {1000, 2, 2, 1, 1, 1}, {first_bin, begin, weights}, 1, out + i, loudest, nullptr);
  }
  return loudest.host()[0];
}

struct CepstrumCase {
  int frames, n_mels, n_mfcc;
  bool deltas;
};

TEST(Cepstrum, MatchesAPlainLoop) {
  for (const CepstrumCase& c : {CepstrumCase{1, 1, 1, true},
                                {2, 3, 3, true},
                                {7, 19, 1, false},
                                {8, 64, 39, true},
                                {9, 64, 39, false},
                                {33, 19, 19, true}}) {
    SCOPED_TRACE(concat(c.frames, " frames, deltas ", c.deltas));
    const MfccShape s{(c.frames - 1) * 10, 2, 2, 10, c.n_mels, c.n_mfcc, c.deltas};
    const int n = c.n_mfcc;
    const auto mel = random_values(c.frames * c.n_mels, 4, -90, 10), dct = random_values(c.n_mels * n, 5, -1, 1);
    const float loudest_db = 5, top_db = 40;
    const auto plain = [&](float floor) {
      std::vector<std::vector<double>> parts[3];
      parts[0].assign(c.frames, std::vector<double>(n));
      for (int t = 0; t < c.frames; ++t) {
        for (int i = 0; i < c.n_mels * n; ++i) {
          parts[0][t][i % n] += double(std::max(floor, mel[t * c.n_mels + i / n])) * dct[i];
        }
      }
      for (int d : {1, 2}) {
        parts[d] = parts[0];
        for (int t = 0; t < c.frames; ++t) {
          const auto at = [&](int t, int k) { return parts[d - 1][std::clamp(t, 0, c.frames - 1)][k]; };
          for (int k = 0; k < n; ++k)
            parts[d][t][k] = (at(t + 1, k) - at(t - 1, k) + 2 * (at(t + 2, k) - at(t - 2, k))) / 10;
        }
      }
      std::vector<float> out;
      for (int t = 0; t < c.frames; ++t) {
        for (int d = 0; d < (c.deltas ? 3 : 1); ++d) out.insert(out.end(), parts[d][t].begin(), parts[d][t].end());
      }
      return out;
    };
    const Buffer<float> from(mel), basis(dct), out(std::size_t(c.frames) * s.features());
    const Buffer<unsigned> loudest(std::vector<unsigned>{ordered_loudest({-20, loudest_db, -1})});
    // n_mels products of up to 90, whose roundings add up as their square root.
    const double tol = 4 * 90 * std::sqrt(c.n_mels) * c.n_mels * FLT_EPSILON;
    for_each_seed([&] {
      cepstrum(from, s, basis, {loudest, top_db}, out, nullptr);
      expect_close(out.host(), plain(loudest_db - top_db), tol);
      cepstrum(from, s, basis, {}, out, nullptr);
      expect_close(out.host(), plain(-INFINITY), tol);
    });
  }
}

TEST(Cepstrum, FloorLiesUnderTheLoudestOfAnySign) {
  const MfccShape s{0, 2, 2, 10, 1, 1};
  const Buffer<float> mel(std::vector<float>{-300.f}), one(std::vector<float>{1.f}), out(1);
  for (const auto& [decibels, want] :
       {std::pair{std::vector{-30.f, -20.f, -50.f}, -60.f}, {{-1.f, 3.f, 2.f}, -37.f}, {{-100.f}, -140.f}}) {
    const Buffer<unsigned> loudest(std::vector<unsigned>{ordered_loudest(decibels)});
    cepstrum(mel, s, one, {loudest, 40}, out, nullptr);
    EXPECT_NEAR(out.host()[0], want, 1e-4);
  }
}

}  // namespace
}  // namespace emo
