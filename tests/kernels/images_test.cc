#include "kernels/images.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>
#include <random>

#include "tests/close.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"

namespace emo {
namespace {

/// Random taps of `count` samples, of one to five pixels each, in a line of `size` pixels that starts at `origin`.
struct RandomTaps {
  RandomTaps(int count, int origin, int size, std::mt19937& random) {
    begin.push_back(0);
    for (int i = 0; i < count; ++i) {
      const int taps = 1 + int(random() % std::min(5, size));
      first.push_back(origin + int(random() % unsigned(size - taps + 1)));
      for (int k = 0; k < taps; ++k)
        weights.push_back(std::uniform_real_distribution<float>(-0.2f, 1)(random) / float(taps));
      begin.push_back(int(weights.size()));
    }
    device_first.emplace(first), device_begin.emplace(begin), device_weights.emplace(weights);
  }
  DeviceTaps device() const { return {*device_first, *device_begin, *device_weights}; }
  /// The sum over the taps of sample i of w * at(pixel).
  template <typename At>
  double sum(int i, const At& at) const {
    double sum = 0;
    for (int k = begin[i]; k < begin[i + 1]; ++k) sum += double(weights[k]) * at(first[i] + k - begin[i]);
    return sum;
  }

  std::vector<int> first, begin;
  std::vector<float> weights;
  std::optional<Buffer<int>> device_first, device_begin;
  std::optional<Buffer<float>> device_weights;
};

std::vector<float> uniform(std::size_t count, std::mt19937& random, float low, float high) {
  std::vector<float> values(count);
  for (float& v : values) v = std::uniform_real_distribution<float>(low, high)(random);
  return values;
}

std::vector<std::uint8_t> bytes(std::size_t count, std::mt19937& random) {
  std::vector<std::uint8_t> values(count);
  for (auto& v : values) v = std::uint8_t(random());
  return values;
}

TEST(Images, CropIsTheClampedWeightedSum) {
  std::mt19937 random(1);
  for (const int S : {1, 7, 33, 40}) {
    for (const PixelFormat format : {PixelFormat{-1, 1, false}, PixelFormat{0, 255, true}}) {
      SCOPED_TRACE(concat("S = ", S, format.bgr ? ", bgr" : ", rgb"));
      const int W = 19, H = 23, left = 5, top = 100;
      const auto pixels = bytes(std::size_t(W) * H * 3, random);
      const Buffer<std::uint8_t> photo(pixels);
      const RandomTaps columns(S, left, W, random), rows(S, top, H, random);
      std::vector<float> want(std::size_t(3) * S * S);
      for (int i = 0; i < 3 * S * S; ++i) {
        const int c = format.bgr ? 2 - i / (S * S) : i / (S * S);
        const double v = rows.sum(i / S % S, [&](int y) {
          return columns.sum(i % S, [&](int x) { return pixels[((y - top) * W + x - left) * 3 + c]; });
        });
        want[i] = float(format.low + (format.high - format.low) / 255. * std::clamp(v, 0., 255.));
      }
      for_each_seed([&] {
        const Buffer<float> face(want.size());
        crop_face({photo, left, top, W, H}, columns.device(), rows.device(), format, face, S, nullptr);
        expect_close(face.host(), want, 12 * FLT_EPSILON * (format.high - format.low));  // two sums of five, one product
      });
    }
  }
}

TEST(Images, PasteBlendsThePhotosPixelsInPlace) {
  std::mt19937 random(2);
  for (const bool keeps : {true, false}) {
    const PixelFormat format{-1, 1, !keeps};
    const int W = 45, H = 21, left = 7, top = 3, S = 11, part_W = 61, part_H = 30, part_x = 2, part_y = 1;
    const auto before = uniform(3 * S * S, random, -1, 1), after = uniform(3 * S * S, random, -1, 1),
               mask = uniform(S * S, random, -0.2f, 1.2f), across = uniform(W, random, 0, 1),
               down = uniform(H, random, 0, 1);
    const auto pixels = bytes(std::size_t(part_W) * part_H * 3, random);
    const RandomTaps columns(W, 0, S, random), rows(H, 0, S, random);
    const Buffer<float> device_before(before), device_after(after), device_mask(mask), device_across(across),
        device_down(down);
    std::vector<double> want(pixels.begin(), pixels.end());  // before rounding
    for (int y = 0; y < H; ++y) {
      for (int x = 0; x < W; ++x) {
        const auto at = [&](const std::vector<float>& plane, int c) {
          return rows.sum(y, [&](int row) {
            return columns.sum(x, [&](int column) { return plane[std::size_t(c * S + row) * S + column]; });
          });
        };
        const auto total = rows.sum(y, [&](int) { return columns.sum(x, [](int) { return 1; }); });
        const double k = std::clamp(keeps ? total - at(mask, 0) : at(mask, 0), 0., 1.);
        for (int c = 0; c < 3; ++c) {
          const int plane = format.bgr ? 2 - c : c;
          double& v = want[((top + y - part_y) * part_W + left + x - part_x) * 3 + c];
          const double was = (at(before, plane) + total) * 127.5;
          const double change = (at(after, plane) - at(before, plane)) * 127.5;
          v = std::clamp(v + double(across[x]) * down[y] * (change - k * (v - was)), 0., 255.);
        }
      }
    }
    for_each_seed([&] {
      const Buffer<std::uint8_t> photo(pixels);
      paste_face({photo, part_x, part_y, part_W, part_H},
                 {left, top, W, H, columns.device(), rows.device(), device_across, device_down},
                 {device_before, device_after, device_mask, S, keeps}, format, nullptr);
      const auto got = photo.host();
      // To nearest, of a value that sums of five of up to 255 in fp32 give to 1e-3.
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 0.5 + 1e-3) << i;
    });
  }
}

TEST(Images, BlendOverAddsAPassToThoseBefore) {
  std::mt19937 random(3);
  constexpr int N = 2, plane = 331;
  for (const bool keeps : {true, false}) {
    auto mask = uniform(N * plane, random, 0, 1), next_mask = uniform(N * plane, random, 0, 1);
    auto colour = uniform(3 * N * plane, random, -1, 1);
    const auto next_colour = uniform(3 * N * plane, random, -1, 1);
    const float nothing = keeps ? 1.f : 0.f;  // drawn: there is no colour to divide among
    mask[7] = next_mask[7] = nothing;
    const Buffer<float> got_mask(mask), got_colour(colour), device_mask(next_mask), device_colour(next_colour);
    blend_over(keeps, N, plane, got_mask, got_colour, device_mask, device_colour, nullptr);
    const auto m = got_mask.host(), c = got_colour.host();
    for (int i = 0; i < N * plane; ++i) {
      const auto kept = [&](double value) { return keeps ? value : 1 - value; };
      const double before = kept(mask[i]), next = kept(next_mask[i]);
      EXPECT_NEAR(kept(m[i]), before * next, 4 * FLT_EPSILON);
      for (int k = 0; k < 3; ++k) {
        const std::size_t at = std::size_t(3 * (i / plane) + k) * plane + i % plane;
        // What is drawn over a face of value 0: by both passes, and by their blend.
        const double passes = next * (1 - before) * colour[at] + (1 - next) * next_colour[at];
        EXPECT_NEAR((1 - kept(m[i])) * c[at], passes, 8 * FLT_EPSILON);
      }
    }
  }
}

}  // namespace
}  // namespace emo
