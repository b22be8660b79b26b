#include <gtest/gtest.h>

#include "tests/cpu/narrow_generator.h"
#include "tests/random_image.h"

namespace emo {
namespace {

constexpr int kSide = 16;

/// crop, generate and paste of each job by itself, all crops of the photos as they were.
void one_by_one(const Backend& backend, std::span<const RedrawJob> jobs) {
  std::vector<Batch> faces;
  for (const RedrawJob& job : jobs) {
    Batch& face = faces.emplace_back(1, kSide);
    backend.crop(job.photo, job.box, {face.faces.data(), face.shape});
    face.aus.assign(job.aus.begin(), job.aus.end());
    backend.generate(face.call());
  }
  for (std::size_t n = 0; n < jobs.size(); ++n) {
    const GenerateCall call = faces[n].call();
    backend.paste(jobs[n].out, jobs[n].box, {call.faces, call.out, call.mask});
  }
}

TEST(Redraw, IsCropGenerateAndPasteOfTheFacesAsTheyWere) {
  const Model model(narrow());
  const auto backend = model.open();
  const Image photos[] = {noise(70, 60, 1), noise(41, 53, 2)};
  Image want[] = {photos[0], photos[1]}, got[] = {photos[0], photos[1]};
  const auto aus = random_values(3 * 17, 3, 0, 1);
  const auto jobs = [&](Image* of) {
    const std::span values(aus);
    return std::vector<RedrawJob>{
        {.photo = of[0], .box = {5, 5, 40}, .aus = values.first(17), .out = of[0]},
        {.photo = of[1], .box = {-6, 20.5f, 33}, .aus = values.subspan(17, 17), .out = of[1]},
        {.photo = of[0], .box = {25, 15, 38.25f}, .aus = values.last(17), .out = of[0]}};  // over the first
  };
  one_by_one(*backend, jobs(want));
  auto got_jobs = jobs(got);
  backend->redraw(got_jobs);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(got[i].rgb, want[i].rgb);
    EXPECT_NE(got[i].rgb, photos[i].rgb);
  }
}

TEST(Redraw, NoFacesLeaveThePhotoAlone) {
  const Model model(narrow());
  EXPECT_NO_THROW(model.open()->redraw({}));
}

}  // namespace
}  // namespace emo
