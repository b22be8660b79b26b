#include <gtest/gtest.h>

#include "engine/backend/shared/warp.h"
#include "engine/engine.h"
#include "tests/mean_face.h"
#include "tests/random_generator.h"
#include "tests/random_image.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

/// A small generator, the installed reader, and a picture of noise in which a reading says that the mean face lies.
class DetailTest : public ::testing::Test {
 protected:
  DetailTest() {
    config_.conv_dim = 8, config_.res_blocks = 1, config_.image_size = 32;
    write_random_generator(dir_ / "model", config_);
    engine_.emplace(EngineOptions{.generator = dir_ / "model", .reader = EMO_SOURCE_DIR "/weights/reader.safetensors"});
  }
  CutFace face_at(float x, float y, float confidence = 1) const {
    CutFace cut = engine_->cut(photo_, {x - 50, y - 30, 100});
    cut.reading = FaceReading{confidence, face_.at(x, y, 55), {}, ActionUnits(engine_->reader_config().au_names)};
    return cut;
  }
  Image redrawn(const std::vector<const CutFace*>& cuts, Detail detail, float* after = nullptr) const {
    Image out = photo_;
    std::vector<FaceJob> jobs;
    for (const CutFace* cut : cuts) {
      jobs.push_back({.photo = photo_,
                      .face = {70, 60, 100},
                      .cut = cut,
                      .au = parse_action_units("26=1", default_au_names()),
                      .drawing = {.detail = detail},
                      .out = out,
                      .after = after});
    }
    engine_->redraw_all(jobs);
    return out;
  }
  FaceMesh mesh_of(const CutFace& cut) const { return face_.mesh(cut.reading->landmarks, "AU26"); }

  const TempDir dir_;
  GeneratorConfig config_;
  std::optional<Engine> engine_;
  const MeanFace face_;
  const Image photo_ = noise(300, 260);
};

TEST_F(DetailTest, SharpIsWhatTheMeshSays) {
  const CutFace cut = face_at(120, 100);
  Image want = photo_;
  warp_face(photo_, mesh_of(cut), {}, want, row_by_row);
  EXPECT_EQ(redrawn({&cut}, Detail::kSharp).rgb, want.rgb);
  EXPECT_EQ(redrawn({&cut}, Detail::kAuto).rgb, want.rgb);
  EXPECT_NE(redrawn({&cut}, Detail::kNetwork).rgb, want.rgb);
}

TEST_F(DetailTest, WhereTwoFacesMeetTheSecondMovesWhatTheFirstLeft) {
  const CutFace first = face_at(100, 100), second = face_at(200, 110);
  Image want = photo_;
  for (const CutFace* cut : {&first, &second}) warp_face(want, mesh_of(*cut), {}, want, row_by_row);
  EXPECT_EQ(redrawn({&first, &second}, Detail::kSharp).rgb, want.rgb);
}

TEST_F(DetailTest, TheNetworksPictureIsStillGiven) {
  const CutFace cut = face_at(120, 100);
  std::vector<float> want(3 * 32 * 32), after(want.size());
  redrawn({&cut}, Detail::kNetwork, want.data());
  redrawn({&cut}, Detail::kSharp, after.data());
  EXPECT_EQ(after, want);
}

TEST_F(DetailTest, AutoTakesTheNetworkWhereTheReaderIsUnsure) {
  const CutFace doubtful = face_at(120, 100, 0.5f);
  CutFace misfit = face_at(120, 100);
  misfit.reading->landmarks[33].x -= 60;
  for (const CutFace* cut : std::vector<const CutFace*>{&doubtful, &misfit}) {
    EXPECT_FALSE(engine_->is_sure(*cut->reading));
    EXPECT_EQ(redrawn({cut}, Detail::kAuto).rgb, redrawn({cut}, Detail::kNetwork).rgb);
  }
  EXPECT_TRUE(engine_->is_sure(*face_at(120, 100).reading));
}

TEST_F(DetailTest, AFaceIsReadWhenItIsCutOutForIt) {
  const Box box{70, 60, 100};
  EXPECT_FALSE(engine_->cut(photo_, box, {.detail = Detail::kNetwork}).reading);
  EXPECT_TRUE(engine_->cut(photo_, box, {.relative = true, .detail = Detail::kNetwork}).reading);
  for (const Detail detail : {Detail::kSharp, Detail::kAuto}) {
    const CutFace cut = engine_->cut(photo_, box, {.detail = detail});
    ASSERT_TRUE(cut.reading);
    EXPECT_EQ(cut.reading->confidence, engine_->read_closely(photo_, box).confidence);
  }
}

TEST_F(DetailTest, WithoutAReaderSharpIsRefusedAndAutoIsTheNetwork) {
  const CutFace cut = face_at(120, 100);
  const Image want = redrawn({&cut}, Detail::kNetwork);
  engine_.emplace(EngineOptions{.generator = dir_ / "model"});
  EXPECT_EQ(redrawn({&cut}, Detail::kAuto).rgb, want.rgb);
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { redrawn({&cut}, Detail::kSharp); }),
            "`detail`: sharp needs a face reader that says how faces move; the engine was opened without one");
}

}  // namespace
}  // namespace emo
