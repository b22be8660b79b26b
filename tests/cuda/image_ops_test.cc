#include "engine/backend/cuda/image_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "engine/backend/cpu/image_ops.h"
#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/random_image.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

GeneratorConfig with(ResizeFilter filter, bool bgr = false, double low = -1, double high = 1) {
  GeneratorConfig config;
  config.resize_filter = filter, config.channel_order = bgr ? ChannelOrder::kBgr : ChannelOrder::kRgb;
  config.pixel_min = low, config.pixel_max = high;
  return config;
}

/// What the generator would give: seeded planes and a mask in [0,1].
struct Planes {
  Planes(int S, unsigned seed)
      : before(random_values(std::size_t(3) * S * S, seed)),
        after(random_values(before.size(), seed + 1)),
        mask(random_values(before.size() / 3, seed + 2, 0, 1)),
        S(S) {}
  FaceChange change() const {
    return {{before.data(), {1, 3, S, S}}, {after.data(), {1, 3, S, S}}, {mask.data(), {1, 1, S, S}}};
  }
  std::vector<float> before, after, mask;
  int S;
};

/// On a GPU, where a product and a sum round once, values differ by some 1e-4 steps from the CPU's: a byte may fall to the
/// other side where its value lies that near to a half. Within the simulator both round alike.
void expect_same_bytes(const Image& got, const Image& want) {
  ASSERT_EQ(got.rgb.size(), want.rgb.size());
  std::size_t others = 0;
  int most = 0;
  for (std::size_t i = 0; i < got.rgb.size(); ++i) {
    const int difference = std::abs(got.rgb[i] - want.rgb[i]);
    most = std::max(most, difference), others += difference > 0;
  }
  EXPECT_LE(most, 1);
  EXPECT_LE(others, got.rgb.size() / 1000);
}

// Inside, between pixels, enlarged, over each edge, wholly outside, smaller than a pixel.
const Box kBoxes[] = {{3, 5, 36},      {10.25f, 7.5f, 29.3f}, {20, 20, 7.7f},        {-9.5f, -4, 31},
                      {40, 30, 60.1f}, {100, 100, 10},        {-70.5f, -80, 200.3f}, {20.6f, 9.1f, 0.2f}};

TEST(CudaImages, CropsAsTheCpuDoes) {
  const Image photo = noise(61, 47);
  ThreadPool pool(1);
  for (const GeneratorConfig& config :
       {with(ResizeFilter::kArea), with(ResizeFilter::kBilinear, true), with(ResizeFilter::kBicubic, false, 0, 255)}) {
    const CudaImageOps ops(config);
    for (const Box& box : kBoxes) {
      for (const int S : {7, 12, 33}) {
        SCOPED_TRACE(concat(name_of(config.resize_filter), " ", box.x, ",", box.y, " ", box.side, " to ", S));
        std::vector<float> got(std::size_t(3) * S * S), want(got.size());
        crop_face(photo, box, config, {want.data(), {1, 3, S, S}}, pool);
        ops.crop(photo, box, {got.data(), {1, 3, S, S}});
        // Sums of up to some 40 products of values up to 255, rounded in fp32 with or without the product's own rounding.
        expect_close(got, want, 40 * FLT_EPSILON * (config.pixel_max - config.pixel_min));
      }
    }
  }
}

TEST(CudaImages, PastesAsTheCpuDoes) {
  const Image photo = noise(61, 47);
  ThreadPool pool(1);
  for (const bool keeps : {true, false}) {
    GeneratorConfig config = with(ResizeFilter::kArea, !keeps, keeps ? -1 : -0.5, keeps ? 1 : 1.25);
    config.mask_keeps_image = keeps;
    const CudaImageOps ops(config);
    for (const Box& box : kBoxes) {
      for (const int S : {5, 16, 33}) {
        SCOPED_TRACE(concat(box.x, ",", box.y, " ", box.side, " from ", S));
        const Planes planes(S, 3);
        Image got = photo, want = photo;
        paste_face(want, box, config, planes.change(), pool);
        ops.paste(got, box, planes.change());
        expect_same_bytes(got, want);
      }
    }
  }
}

TEST(CudaImages, TheOrderOfThreadsDoesNotMatter) {
  const GeneratorConfig config = with(ResizeFilter::kBilinear);
  const Image photo = noise(40, 40);
  const Planes planes(12, 5);
  std::vector<float> first_face;
  Image first_photo;
  for_each_seed([&] {
    const CudaImageOps ops(config);
    std::vector<float> face(3 * 144);
    ops.crop(photo, {-3.5f, 2, 30}, {face.data(), {1, 3, 12, 12}});
    Image pasted = photo;
    ops.paste(pasted, {-3.5f, 2, 30}, planes.change());
    if (first_face.empty()) first_face = face, first_photo = pasted;
    EXPECT_EQ(face, first_face);
    EXPECT_EQ(pasted.rgb, first_photo.rgb);
  });
}

// Three faces of two photos, two of which overlap: cut out of the photos as they were, put back one after the other.
TEST(CudaImages, FacesOfACallAreCutBeforeAnyIsPutBack) {
  const GeneratorConfig config = with(ResizeFilter::kArea);
  const Image photos[] = {noise(80, 60, 1), noise(33, 47, 2)};
  const CudaPhotos::Place places[] = {{photos[0], {5, 5, 30}}, {photos[1], {-4, 20, 28.5f}}, {photos[0], {22.5f, 12, 40}}};
  const int S = 16;
  const Shape face{1, 3, S, S};
  const Planes planes[] = {Planes(S, 10), Planes(S, 20), Planes(S, 30)};
  std::vector<float> after, mask, want_faces(3 * face.count());
  Image want[] = {photos[0], photos[1]}, got[] = {photos[0], photos[1]};
  ThreadPool pool(1);
  for (int n = 0; n < 3; ++n) {
    after.insert(after.end(), planes[n].after.begin(), planes[n].after.end());
    mask.insert(mask.end(), planes[n].mask.begin(), planes[n].mask.end());
    crop_face(places[n].photo, places[n].box, config, {want_faces.data() + n * face.count(), face}, pool);
  }
  for (int n = 0; n < 3; ++n) {
    FaceChange change = planes[n].change();
    change.before.data = want_faces.data() + n * face.count();
    paste_face(want[n == 1], places[n].box, config, change, pool);
  }

  const Stream stream;
  CudaPhotos on_device(config);
  const Buffer<float> faces(3 * face.count()), device_after(after), device_mask(mask);
  on_device.upload({places, 1}, face, stream.get());  // a smaller call first: the buffers grow
  stream.wait();
  on_device.upload(places, face, stream.get());
  on_device.crop(faces, stream.get());
  on_device.paste(faces, device_after, device_mask, stream.get());
  on_device.download(stream.get());
  stream.wait();
  const MutableImageView targets[] = {got[0], got[1], got[0]};
  on_device.finish(targets);
  expect_close(faces.host(), want_faces, 40 * FLT_EPSILON * 2);
  expect_same_bytes(got[0], want[0]);
  expect_same_bytes(got[1], want[1]);
}

TEST(CudaImages, ConcurrentCallsDoNotMeet) {
  const GeneratorConfig config = with(ResizeFilter::kArea);
  const CudaImageOps ops(config);
  const Image photos[] = {noise(50, 50, 1), noise(50, 50, 2)};
  const auto crop = [&](const Image& photo) {
    std::vector<float> face(3 * 64);
    ops.crop(photo, {4, 4, 30}, {face.data(), {1, 3, 8, 8}});
    return face;
  };
  const std::vector<float> want[] = {crop(photos[0]), crop(photos[1])};
  std::vector<float> got[2];
  {
    const std::jthread one([&] { got[0] = crop(photos[0]); }), two([&] { got[1] = crop(photos[1]); });
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(got[i], want[i]);
}

TEST(CudaImages, RefusesWhatTheCpuRefuses) {
  const CudaImageOps ops(with(ResizeFilter::kArea));
  std::vector<float> face(3 * 64);
  const auto crop_text = [&](const Image& photo, const Box& box, const Shape& shape) {
    return text_of(ErrorKind::kInternal, [&] { ops.crop(photo, box, {face.data(), shape}); });
  };
  EXPECT_EQ(crop_text(noise(9, 9), {1, 2, 0}, {1, 3, 8, 8}),
            "crop: the box has its corner at 1,2 and a side of 0 px; a positive side is needed");
  EXPECT_EQ(crop_text(Image(), {1, 2, 3}, {1, 3, 8, 8}), "crop: the photo is empty");
  EXPECT_EQ(crop_text(noise(9, 9), {1, 2, 3}, {1, 3, 8, 4}), "crop: the face has shape (1,3,8,4); (1,3,S,S) is needed");
  Image photo = noise(9, 9);
  Planes planes(8, 1);
  FaceChange change = planes.change();
  change.mask.shape = {1, 1, 4, 4};
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [&] {
                      ops.paste(photo, {1, 1, 5}, change);
                    }),
            "paste: the mask has shape (1,1,4,4); (1,1,8,8) is needed");
}

}  // namespace
}  // namespace emo
