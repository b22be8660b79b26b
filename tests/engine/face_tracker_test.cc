#include "engine/pipeline/face_tracker.h"

#include <gtest/gtest.h>

namespace emo {
namespace {

/// A detector that answers with what it was told and remembers where it looked.
struct Detector {
  std::vector<Box> in_frame, in_region;
  int frames = 0, regions = 0;
  FaceTracker tracker() {
    return FaceTracker([this](const Image& picture, const FaceSearch&) {
      const bool whole = picture.width == 1000;
      ++(whole ? frames : regions);
      return whole ? in_frame : in_region;
    });
  }
};

TEST(FaceTracker, LooksRoundTheLastPlaceOnly) {
  Detector detector;
  FaceTracker tracker = detector.tracker();
  const Image frame(1000, 800);
  detector.in_frame = {{400, 300, 200}, {50, 50, 100}};
  EXPECT_EQ(tracker.next(frame)->x, 400);
  // The region begins 0.6 sides before the face: at (280, 180).
  detector.in_region = {{120, 120, 200}};
  const auto box = tracker.next(frame);
  EXPECT_FLOAT_EQ(box->x, 400);
  EXPECT_FLOAT_EQ(box->y, 300);
  EXPECT_EQ(detector.frames, 1);
  EXPECT_EQ(detector.regions, 1);
}

TEST(FaceTracker, SmoothsJitterAndFollowsMoves) {
  Detector detector;
  FaceTracker tracker = detector.tracker();
  const Image frame(1000, 800);
  detector.in_frame = {{400, 300, 200}};
  tracker.next(frame);
  detector.in_region = {{124, 120, 200}};  // 2% of a side to the right: a fifth of it is taken
  EXPECT_NEAR(tracker.next(frame)->x, 400.8, 1e-3);
  detector.in_region = {{180, 120, 200}};  // more than a tenth: at once
  EXPECT_NEAR(tracker.next(frame)->x, 460, 1);
}

TEST(FaceTracker, StaysWithItsFaceAmongOthers) {
  Detector detector;
  FaceTracker tracker = detector.tracker();
  detector.in_frame = {{400, 300, 200}};
  tracker.next(Image(1000, 800));
  detector.in_region = {{0, 0, 220}, {120, 120, 200}};
  EXPECT_FLOAT_EQ(tracker.next(Image(1000, 800))->x, 400);
}

TEST(FaceTracker, SearchesTheWholeFrameForALostFaceAndKeepsItsPlace) {
  Detector detector;
  FaceTracker tracker = detector.tracker();
  const Image frame(1000, 800);
  EXPECT_FALSE(tracker.next(frame));
  EXPECT_FALSE(tracker.last());
  detector.in_frame = {{400, 300, 200}};
  tracker.next(frame);
  detector.in_frame = {};
  EXPECT_FALSE(tracker.next(frame));
  EXPECT_EQ(tracker.last()->x, 400);
  detector.in_frame = {{700, 100, 200}};
  EXPECT_FLOAT_EQ(tracker.next(frame)->x, 700);
  EXPECT_EQ(detector.frames, 4);
}

TEST(FaceTracker, FacesAtTheFramesEdgeAreFollowed) {
  Detector detector;
  FaceTracker tracker = detector.tracker();
  detector.in_frame = {{-20, 700, 200}};  // reaches outside on two sides
  tracker.next(Image(1000, 800));
  detector.in_region = {{-20, 120, 200}};  // the region begins at (0, 580)
  const auto box = tracker.next(Image(1000, 800));
  EXPECT_FLOAT_EQ(box->x, -20);
  EXPECT_FLOAT_EQ(box->y, 700);
}

}  // namespace
}  // namespace emo
