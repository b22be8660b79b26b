#include "engine/engine.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <thread>

#include "tests/random_generator.h"
#include "tests/random_image.h"
#include "tests/random_speech.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

SpeechConfig config_with(double sharpness) {
  SpeechConfig config;
  config.feature_mean.assign(39, 0);
  config.feature_std.assign(39, 1);
  config.lstm_hidden = 6;
  config.lstm_layers = 1;
  config.emotion_sharpness = sharpness;
  return config;
}

/// Two seconds whose loudness swells, so that frames differ.
std::vector<float> swelling_noise() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> pcm(32'000);
  for (std::size_t i = 0; i < pcm.size(); ++i) pcm[i] = normal(random) * float(1 + i / 4'000);
  return pcm;
}

TEST(Engine, DrawsTheVoicesAnswersToEmotionsAsTheModelSays) {
  const SpeechConfig as_they_are = config_with(0), drawn = config_with(16);
  const auto weights = random_weights(as_they_are, 1);
  const TemporaryModel plain(as_they_are, weights), sharp(drawn, weights);
  const Engine before({.speech = plain.path()}), after({.speech = sharp.path()});
  const auto pcm = swelling_noise();

  const ActionUnits whole = before.hear(pcm).whole();
  EXPECT_GT(whole.norm(), 0.1);
  EXPECT_NE(after.hear(pcm).whole().values(), whole.values());
  EXPECT_EQ(after.hear(pcm).whole().values(), sharpened(whole, 16).values());

  const AuCurve frames = before.hear(pcm).per_frame(10), drawn_frames = after.hear(pcm).per_frame(10);
  ASSERT_EQ(frames.rows(), 20u);
  ASSERT_EQ(drawn_frames.rows(), 20u);
  EXPECT_NE(frames.row(3).values(), frames.row(15).values());
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(drawn_frames.row(i).values(), sharpened(frames.row(i), 16).values());
}

TEST(Engine, ASilentClipIsNeutralHoweverSharp) {
  const SpeechConfig config = config_with(16);
  const TemporaryModel model(config);
  const Engine engine({.speech = model.path()});
  const Voice silence = engine.hear(std::vector<float>(16'000));
  EXPECT_EQ(silence.whole().norm(), 0);
  EXPECT_FALSE(silence.holds_speech());
  EXPECT_TRUE(engine.hear(swelling_noise()).holds_speech());
}

TEST(Engine, AVoiceAnswersTheSameHoweverOftenItIsAsked) {
  const SpeechConfig config = config_with(16);
  const TemporaryModel model(config, random_weights(config, 1));
  const Engine engine({.speech = model.path()});
  const auto pcm = swelling_noise();
  const Voice voice = engine.hear(pcm);
  const AuCurve frames = voice.per_frame(10);
  EXPECT_EQ(frames.rows(), 20u);
  EXPECT_EQ(voice.at({0.3}).row(0).values(), frames.row(3).values());
  EXPECT_EQ(voice.at({}).rows(), 0u);
  const Matrix backends = engine.backend().speech(pcm, frames.times_s);
  EXPECT_EQ(frames.row(7).values(), sharpened({config.au_names, {backends.row(7), 17}}, 16).values());
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { voice.per_frame(0); }),
            "`fps`: 0 came; more than 0 and at most 1000 is needed");
}

/// A small generator.
class Passes : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    config_.conv_dim = 8, config_.res_blocks = 1, config_.image_size = 32;
    config_.mask_keeps_image = GetParam();
    write_random_generator(dir_ / "model", config_);
    engine_.emplace(EngineOptions{.generator = dir_ / "model"});
  }
  /// Everything that a job can ask for.
  struct Redrawn {
    Image photo;
    std::vector<float> after, mask, colour;
  };
  Redrawn redraw(int passes, const CutFace* cut = nullptr) const {
    const std::size_t plane = std::size_t(config_.image_size) * config_.image_size;
    Redrawn redrawn{photo_, std::vector<float>(3 * plane), std::vector<float>(plane), std::vector<float>(3 * plane)};
    FaceJob job{.photo = photo_,
                .face = box_,
                .cut = cut,
                .au = au_,
                .drawing = {.passes = passes},
                .out = redrawn.photo,
                .after = redrawn.after.data(),
                .mask = redrawn.mask.data(),
                .colour = redrawn.colour.data()};
    engine_->redraw_all({&job, 1});
    return redrawn;
  }

  const TempDir dir_;
  GeneratorConfig config_;
  std::optional<Engine> engine_;
  const Image photo_ = noise(90, 80);
  const Box box_{12, 9, 48};
  const ActionUnits au_ = parse_action_units("12=0.75,4=0.25", default_au_names());
};

TEST_P(Passes, EachDrawsThePictureOfTheOneBefore) {
  const Redrawn once = redraw(1);
  CutFace second{config_.image_size, HostBuffer<float>(once.after.size())};
  std::ranges::copy(once.after, second.planes.data());
  EXPECT_EQ(redraw(2).after, redraw(1, &second).after);
  EXPECT_NE(redraw(2).after, once.after);
}

TEST_P(Passes, MaskAndColourAreOfAllTogether) {
  const CutFace cut = engine_->cut(photo_, box_);
  const Redrawn face = redraw(3);
  const std::size_t plane = face.mask.size();
  double worst = 0;
  for (std::size_t i = 0; i < face.after.size(); ++i) {
    const double m = face.mask[i % plane], kept = GetParam() ? m : 1 - m;
    worst = std::max(worst, std::abs(kept * cut.planes[i] + (1 - kept) * face.colour[i] - face.after[i]));
  }
  EXPECT_LT(worst, 2e-6);  // values up to 1, a dozen roundings of 6e-8
}

TEST_P(Passes, AFaceCutBeforeGetsTheSamePhoto) {
  const CutFace cut = engine_->cut(photo_, box_);
  EXPECT_EQ(redraw(2, &cut).photo.rgb, redraw(2).photo.rgb);
  EXPECT_NE(redraw(2).photo.rgb, photo_.rgb);
}

TEST_P(Passes, APictureThatIsShownAgainAndAgainGetsEachFaceAfresh) {
  const Redrawn once = redraw(1);
  Image frame = once.photo;  // of the face before
  FaceJob neutral{.photo = photo_, .face = box_, .au = ActionUnits(au_.names()), .out = frame};
  engine_->redraw_all({&neutral, 1});
  EXPECT_NE(frame.rgb, once.photo.rgb);
  FaceJob job{.photo = photo_, .face = box_, .au = au_, .out = frame};
  engine_->redraw_all({&job, 1});
  EXPECT_EQ(frame.rgb, once.photo.rgb);
}

TEST_P(Passes, OutOfRangeIsRefused) {
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { redraw(0); }), "`passes`: 0 came; 1 to 8 are possible");
}

/// The photo with its bytes in another order, and rows that end in something else.
struct Relaid {
  Relaid(const Image& photo, PixelOrder order) : view{nullptr, photo.width, photo.height, 0, order} {
    view.stride = photo.width * view.step() + 7;
    bytes.assign(std::size_t(view.stride) * photo.height, 99);
    view.data = bytes.data();
    each(photo, [](std::uint8_t& here, std::uint8_t there) { here = there; });
  }
  template <typename Do>
  void each(const Image& photo, const Do& act) {
    for (int y = 0; y < photo.height; ++y) {
      for (int x = 0; x < photo.width; ++x) {
        for (int c = 0; c < 3; ++c) act(view.pixel(x, y)[view.bgr() ? 2 - c : c], photo.pixel(x, y)[c]);
      }
    }
  }
  std::vector<std::uint8_t> bytes;
  MutableImageView view;
};

TEST_P(Passes, PixelsMayLieInAnyOrderAndRowsInAnyDistance) {
  const Image want = redraw(1).photo;
  for (const PixelOrder order : {PixelOrder::kRgb, PixelOrder::kBgr, PixelOrder::kRgba, PixelOrder::kBgra}) {
    Relaid photo(photo_, order), wanted(want, order);
    FaceJob job{.photo = photo.view, .face = box_, .au = au_, .out = photo.view};
    engine_->redraw_all({&job, 1});
    EXPECT_EQ(photo.bytes, wanted.bytes) << int(order);
  }
}

TEST_P(Passes, AFaceThatIsNotFiniteFailsAlone) {
  Image photo = photo_, alone = photo_;
  FaceJob good{.photo = alone, .face = box_, .au = au_, .out = alone};
  engine_->redraw_all({&good, 1});
  CutFace broken = engine_->cut(photo_, box_);
  broken.planes[5] = std::numeric_limits<float>::quiet_NaN();
  Image untouched = photo_;
  FaceJob jobs[] = {{.photo = photo_, .face = box_, .cut = &broken, .au = au_, .out = untouched},
                    {.photo = photo, .face = box_, .au = au_, .out = photo}};
  engine_->redraw(jobs);
  EXPECT_EQ(photo.rgb, alone.rgb);
  EXPECT_EQ(untouched.rgb, photo_.rgb);
  EXPECT_FALSE(jobs[1].error);
  EXPECT_THAT(text_of(ErrorKind::kModel, [&] { std::rethrow_exception(jobs[0].error); }),
              testing::HasSubstr("came out with NaN or infinity"));
}

INSTANTIATE_TEST_SUITE_P(OfMasksThatKeepTheFaceOrTheColour, Passes, testing::Bool());

/// Calls of many threads on one engine.
class SharedEngine : public testing::Test {
 protected:
  void SetUp() override {
    GeneratorConfig config;
    config.conv_dim = 4, config.res_blocks = 1, config.image_size = 16;
    write_random_generator(dir_ / "model", config);
  }
  Engine open(const SchedulerOptions& scheduler = {}) const {
    return Engine({.generator = dir_ / "model", .scheduler = scheduler});
  }
  /// A photo with some faces, overlapping ones, that shows them redrawn after a call.
  struct Request {
    Request(int faces, unsigned seed) : photo(noise(60, 50, seed)), before(photo) {
      for (int i = 0; i < faces; ++i) {
        jobs.push_back({.photo = photo,
                        .face = {float(2 + 9 * i % 25), float(1 + 7 * i % 20), float(16 + i % 5)},
                        .au = parse_action_units(i % 2 ? "12=1" : "4=0.5", default_au_names()),
                        .out = photo});
      }
    }
    Request(const Request&) = delete;
    Image photo;
    const Image before;
    std::vector<FaceJob> jobs;
  };
  static std::string error(const FaceJob& job, ErrorKind kind) {
    return text_of(kind, [&] {
      if (job.error) std::rethrow_exception(job.error);
    });
  }

  const TempDir dir_;
};

TEST_F(SharedEngine, APhotoIsDrawnInOneBatchHoweverSmallTheyAre) {
  Request small(6, 1), large(6, 1);
  open({.max_batch = 1}).redraw_all(small.jobs);
  open({.max_batch = 64}).redraw_all(large.jobs);
  EXPECT_EQ(small.photo.rgb, large.photo.rgb);  // all cut out before any is put back
  EXPECT_NE(small.photo.rgb, small.before.rgb);

  Image out = large.before;  // the second reads what the first and the third write
  const auto jobs = [&](Image& photo, Image& other) {
    std::vector<FaceJob> jobs(3, large.jobs[0]);
    for (FaceJob& job : jobs) job.photo = photo, job.out = photo;
    jobs[1].out = other;
    return jobs;
  };
  Image a = large.before, b = large.before, c = large.before;
  auto divided = jobs(a, out), whole = jobs(b, c);
  open({.max_batch = 1}).redraw_all(divided);
  open({.max_batch = 64}).redraw_all(whole);
  EXPECT_EQ(a.rgb, b.rgb);
  EXPECT_EQ(out.rgb, c.rgb);
}

TEST_F(SharedEngine, ConcurrentRequestsGetTheBytesThatTheyGetAlone) {
  const Engine engine = open({.max_batch = 4, .max_queue = 60, .max_contexts = 2});
  std::vector<Image> alone;
  for (int faces = 0; faces < 5; ++faces) {
    Request request(faces, 1);
    engine.redraw_all(request.jobs);
    alone.push_back(request.photo);
  }
  CutFace nan = engine.cut(alone[0], {5, 5, 20});
  nan.planes[7] = std::numeric_limits<float>::quiet_NaN();
  std::atomic<int> drawn{0}, dropped{0};
  const auto talk = [&](unsigned seed) {
    std::mt19937 random(seed);
    const auto one_in = [&](unsigned n) { return random() % n == 0; };
    for (int i = 0; i < 6; ++i) {
      const int faces = int(1 + random() % 4);
      Request request(faces, 1);
      const bool bad = one_in(4);
      if (bad) request.jobs.push_back({.photo = request.before, .face = {5, 5, 20}, .cut = &nan, .au = request.jobs[0].au});
      if (one_in(4)) {
        for (FaceJob& job : request.jobs)
          job.deadline = Scheduler::Clock::now() + std::chrono::microseconds(random() % 3000);
      }
      std::atomic<int> answers{0};
      try {
        if (one_in(2)) {
          engine.redraw(request.jobs, seed % 3);
          ++answers;
        } else {
          const auto asked = engine.submit(
              request.jobs, [&] { ++answers; }, seed % 3);
          if (one_in(3)) asked->cancel();
          asked->wait();
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kBusy);
        EXPECT_EQ(request.photo.rgb, request.before.rgb);
        continue;
      }
      EXPECT_EQ(answers, 1);
      const bool whole = std::ranges::none_of(request.jobs, [&](const FaceJob& job) { return job.error && !job.cut; });
      if (whole) {
        EXPECT_EQ(request.photo.rgb, alone[std::size_t(faces)].rgb);
        ++drawn;
      } else {
        ++dropped;
      }
      if (bad && whole && request.jobs.back().error) {
        EXPECT_THROW(std::rethrow_exception(request.jobs.back().error), Error);
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 16; ++t) threads.emplace_back(talk, t + 1);
  for (auto& thread : threads) thread.join();
  EXPECT_GT(drawn, 0);
  EXPECT_GT(dropped, 0);
}

TEST_F(SharedEngine, AFaceThatIsNotFiniteFailsAlone) {
  const Engine engine = open({.max_batch = 8});
  Request request(2, 3), alone(2, 3);
  engine.redraw_all(alone.jobs);
  CutFace nan = engine.cut(request.photo, request.jobs[0].face);
  nan.planes[7] = std::numeric_limits<float>::quiet_NaN();
  request.jobs.insert(request.jobs.begin(), FaceJob{.photo = request.photo, .cut = &nan, .au = request.jobs[0].au});
  engine.redraw(request.jobs);
  EXPECT_THAT(error(request.jobs[0], ErrorKind::kModel), testing::HasSubstr("came out with NaN or infinity"));
  EXPECT_FALSE(request.jobs[1].error || request.jobs[2].error);
  EXPECT_EQ(request.photo.rgb, alone.photo.rgb);
}

TEST_F(SharedEngine, WhatTheBackendThrowsIsThrownOrTheErrorOfEachThatWasSubmitted) {
  const Engine engine = open();
  CutFace small{8, HostBuffer<float>(3 * 8 * 8)};
  Request request(1, 1);
  request.jobs[0].cut = &small;
  const std::string text = "redraw: the face has shape (1,3,8,8); (1,3,16,16) is needed";
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { engine.redraw(request.jobs); }), text);
  engine.submit(request.jobs)->wait();
  EXPECT_EQ(error(request.jobs[0], ErrorKind::kInternal), text);
}

TEST_F(SharedEngine, AClosedEngineRefuses) {
  Engine engine = open();
  engine.close();
  Request request(1, 1);
  EXPECT_EQ(text_of(ErrorKind::kCancelled, [&] { engine.redraw(request.jobs); }),
            "scheduler: closed; nothing more is taken");
  const LayerSink sink = [](const std::string&, TensorView<const float>) {};
  request.jobs[0].sink = &sink;
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { engine.submit(request.jobs); }),
            "`sink`: redraw() shows the layers, submit() does not");
}

}  // namespace
}  // namespace emo
