#include <emoengine_media.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <emoengine.hpp>
#include <thread>
#include <vector>

#include "tests/temp_dir.h"

extern "C" emo_status c_program_opens(emo_engine** engine);

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kWeights = EMO_SOURCE_DIR "/weights/", kSamples = EMO_SOURCE_DIR "/samples/";
const std::string kLite = kWeights + "generator-lite.safetensors";

emo_source file(const std::string& path) { return {path.c_str(), nullptr, 0}; }

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The sentence of a call that has to fail so.
#define REFUSED(status, call) \
  ((call) == (status) ? std::string(emo_error()) : "(another status) " + std::string(emo_error()))

/// A picture of its own size and pixels that differ.
struct Picture {
  explicit Picture(int width = 200, int height = 160, int format = EMO_RGB8, int gap = 0) {
    const int step = format >= EMO_RGBA8 ? 4 : 3;
    const int stride = width * step + gap;
    pixels.resize(std::size_t(stride) * std::size_t(height), 7);
    image = {pixels.data(), width, height, gap ? stride : 0, format, 0};
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const int value[] = {(x * 3 + y) & 255, (x + y * 2) & 255, (x * y / 16) & 255};
        for (int c = 0; c < 3; ++c) at(x, y)[format & 1 ? 2 - c : c] = std::uint8_t(value[c]);
      }
    }
  }
  std::uint8_t* at(int x, int y) {
    const int step = image.format >= EMO_RGBA8 ? 4 : 3;
    return pixels.data() + y * (image.stride ? image.stride : image.width * step) + x * step;
  }
  std::vector<int> rgb() {
    std::vector<int> all;
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        for (int c = 0; c < 3; ++c) all.push_back(at(x, y)[image.format & 1 ? 2 - c : c]);
      }
    }
    return all;
  }

  std::vector<std::uint8_t> pixels;
  emo_image image;
};

class CApi : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    emo_options options = emo_default_options();
    options.generator = file(kLite);
    options.max_queue = 8;
    ASSERT_EQ(emo_open(&options, &engine_), EMO_OK) << emo_error();
  }
  static void TearDownTestSuite() { emo_close(engine_); }

  /// A smile of the picture's middle.
  static emo_redraw smile(const emo_image& photo) {
    static std::vector<float> aus;
    if (aus.empty()) {
      aus.resize(std::size_t(emo_au_count(engine_)));
      EXPECT_EQ(emo_express(engine_, nullptr, 1, "happiness", nullptr, aus.data()), EMO_OK) << emo_error();
    }
    emo_redraw face{};
    face.size = sizeof face;
    face.photo = face.out = &photo;
    face.box = {40, 30, 100};
    face.aus = aus.data();
    return face;
  }

  static inline emo_engine* engine_ = nullptr;
};

TEST_F(CApi, LibraryAndHeaderAgree) {
  EXPECT_EQ(emo_abi(), std::uint32_t(EMO_ABI));
  EXPECT_STREQ(emo_version(), EMO_PROJECT_VERSION);
}

TEST_F(CApi, EngineTellsItsAusRateSideAndBackend) {
  EXPECT_EQ(emo_au_count(engine_), 17);
  EXPECT_STREQ(emo_au_name(engine_, 0), "AU01");
  EXPECT_STREQ(emo_au_name(engine_, 16), "AU45");
  EXPECT_EQ(emo_au_name(engine_, 17), nullptr);
  EXPECT_STREQ(emo_error(), "`index`: 17 came; 0 to 16 are possible");
  EXPECT_EQ(emo_sample_rate(engine_), 16'000);
  EXPECT_EQ(emo_face_side(engine_), 128);
  EXPECT_THAT(emo_backend_text(engine_), HasSubstr("pu: "));
}

TEST_F(CApi, CProgramOpensTheInstalledModels) {
  emo_engine* engine = nullptr;
  ASSERT_EQ(c_program_opens(&engine), EMO_OK) << emo_error();
  EXPECT_EQ(emo_face_side(engine), 128);
  emo_close(engine);
}

TEST_F(CApi, ProgramOfAnotherAbiIsToldTheLibrarysFile) {
  emo_options options = emo_default_options();
  options.abi = 9;
  emo_engine* engine = engine_;
  EXPECT_THAT(
      REFUSED(EMO_ARGUMENT, emo_open(&options, &engine)),
      testing::MatchesRegex("`abi`: 9 came, and /.*/libemoengine\\.so\\.[0-9.]+ of version [0-9.]+ has EMO_ABI 1; begin "
                            "with emo_default_options\\(\\), and install the library that belongs to the program"));
  EXPECT_EQ(engine, nullptr);
}

TEST_F(CApi, OptionsOutOfRangeAreRefusedByName) {
  emo_engine* engine = nullptr;
  const auto refusal = [&](auto set) {
    emo_options options = emo_default_options();
    set(options);
    return REFUSED(EMO_ARGUMENT, emo_open(&options, &engine));
  };
  EXPECT_EQ(refusal([](auto& o) { o.models = 8; }), "`models`: 8 came; 0 to 7 are possible");
  EXPECT_EQ(refusal([](auto& o) { o.backend = -1; }), "`backend`: -1 came; 0 to 2 are possible");
  EXPECT_EQ(refusal([](auto& o) { o.precision = 5; }), "`precision`: 5 came; 0 to 4 are possible");
  EXPECT_EQ(refusal([](auto& o) { o.threads = -2; }), "`threads`: -2 came; 0 to 1024 are possible");
  EXPECT_THAT(refusal([](auto& o) { o.max_batch = -1; }), HasSubstr("max_batch"));
  EXPECT_EQ(refusal([](auto& o) {
              o.generator = {"", nullptr, 0};
            }),
            "`generator`: neither a path nor data came; one of them is needed");
  EXPECT_EQ(refusal([](auto& o) {
              o.generator = {nullptr, "x", 0};
            }),
            "`generator.bytes`: 0 came with data; the size of the data is needed");
  EXPECT_EQ(refusal([](auto& o) { o.size = 0; }),
            "`emo_options.size`: 0 came; sizeof(emo_options) is needed, 136 in version " + std::string(emo_version()));
  EXPECT_THAT(refusal([](auto& o) { o.size = 0xffffffff; }), StartsWith("`emo_options.size`: 4294967295 came;"));
  emo_options options = emo_default_options();
  options.generator = {"/nowhere.safetensors", nullptr, 0};
  EXPECT_THAT(REFUSED(EMO_MODEL, emo_open(&options, &engine)), StartsWith("/nowhere.safetensors: "));
}

TEST_F(CApi, NullsAreRefusedEverywhere) {
  emo_engine* engine = nullptr;
  emo_face* face = nullptr;
  emo_job* job = nullptr;
  emo_voice* voice = nullptr;
  emo_picture* picture = nullptr;
  emo_sound* sound = nullptr;
  emo_bytes* bytes = nullptr;
  emo_video_reader* reader = nullptr;
  emo_video_writer* writer = nullptr;
  emo_image image{};
  emo_redraw redraw{};
  redraw.size = sizeof redraw;
  const emo_options options = emo_default_options();
  Picture photo;
  std::vector<float> aus(EMO_MAX_AUS);
  std::int32_t found = 0;
  std::size_t size = 0;
  double time_s = 0;
  emo_reading reading{}, unsized_reading{};
  reading.size = sizeof reading;
  const emo_source source{};
  const emo_status statuses[] = {
      emo_open(nullptr, &engine),
      emo_open(&options, nullptr),
      emo_cut(nullptr, &photo.image, {0, 0, 9}, &face),
      emo_cut(engine_, nullptr, {0, 0, 9}, &face),
      emo_cut(engine_, &image, {0, 0, 9}, &face),
      emo_cut(engine_, &photo.image, {0, 0, 9}, nullptr),
      emo_run(nullptr, &redraw, 1),
      emo_run(engine_, nullptr, 1),
      emo_run(engine_, &redraw, -1),
      emo_submit(nullptr, &redraw, 1, nullptr, nullptr, &job),
      emo_submit(engine_, nullptr, 1, nullptr, nullptr, &job),
      emo_submit(engine_, &redraw, 1, nullptr, nullptr, nullptr),
      emo_wait(nullptr, 0),
      emo_hear(nullptr, aus.data(), 1, &voice),
      emo_hear(engine_, nullptr, 1, &voice),
      emo_hear(engine_, aus.data(), 1, nullptr),
      emo_hear(engine_, aus.data(), SIZE_MAX / 8, &voice),
      emo_voice_whole(nullptr, aus.data()),
      emo_voice_at(nullptr, &time_s, 1, aus.data()),
      emo_express(nullptr, nullptr, 1, nullptr, nullptr, aus.data()),
      emo_express(engine_, nullptr, 1, nullptr, nullptr, nullptr),
      emo_express(engine_, nullptr, std::nanf(""), nullptr, nullptr, aus.data()),
      emo_express(engine_, nullptr, 1, "bliss", nullptr, aus.data()),
      emo_read_picture(nullptr, &picture),
      emo_read_picture(&source, &picture),
      emo_read_picture(&source, nullptr),
      emo_picture_image(nullptr, &image),
      emo_write_picture(nullptr, "x.png"),
      emo_write_picture(&photo.image, nullptr),
      emo_encode_picture(&photo.image, nullptr, &bytes),
      emo_encode_picture(&photo.image, "tiny", &bytes),
      emo_set_picture_codec(nullptr),
      emo_find_faces(nullptr, &photo.image, nullptr, 0, &found),
      emo_find_faces(engine_, nullptr, nullptr, 0, &found),
      emo_find_faces(engine_, &photo.image, nullptr, 1, &found),
      emo_find_faces(engine_, &photo.image, nullptr, -1, &found),
      emo_find_faces(engine_, &photo.image, nullptr, 0, nullptr),
      emo_read_face(nullptr, &photo.image, {0, 0, 90, 0}, &reading),
      emo_read_face(engine_, nullptr, {0, 0, 90, 0}, &reading),
      emo_read_face(engine_, &photo.image, {0, 0, 0, 0}, &reading),
      emo_read_face(engine_, &photo.image, {0, 0, 90, std::nanf("")}, &reading),
      emo_read_face(engine_, &photo.image, {0, 0, 90, 0}, nullptr),
      emo_read_face(engine_, &photo.image, {0, 0, 90, 0}, &unsized_reading),
      emo_read_sound(nullptr, 16'000, &sound),
      emo_read_sound(&source, 0, &sound),
      emo_read_video(nullptr, nullptr, nullptr, &reader),
      emo_next_frame(nullptr, &image, nullptr),
      emo_write_video(nullptr, nullptr, &writer),
      emo_add_frame(nullptr, &photo.image),
      emo_finish_video(nullptr),
  };
  for (std::size_t i = 0; i < std::size(statuses); ++i) EXPECT_EQ(statuses[i], EMO_ARGUMENT) << "call " << i;
  EXPECT_EQ(emo_au_count(nullptr), 0);
  EXPECT_STREQ(emo_error(), "`engine`: NULL came; it is needed");
  EXPECT_EQ(emo_au_name(nullptr, 0), nullptr);
  EXPECT_EQ(emo_backend_text(nullptr), nullptr);
  EXPECT_EQ(emo_emotion(engine_, nullptr, nullptr), nullptr);
  EXPECT_EQ(emo_bytes_data(nullptr, &size), nullptr);
  EXPECT_EQ(emo_sound_pcm(nullptr, &size), nullptr);
  emo_close(nullptr);
  emo_face_free(nullptr);
  emo_cancel(nullptr);
  emo_job_free(nullptr);
  emo_voice_free(nullptr);
  emo_picture_free(nullptr);
  emo_bytes_free(nullptr);
  emo_sound_free(nullptr);
  emo_video_reader_free(nullptr);
  emo_video_writer_free(nullptr);
}

TEST_F(CApi, FacesAndPicturesOutOfRangeAreRefusedByField) {
  Picture photo, small(100, 100);
  const auto refusal = [&](auto set) {
    emo_image image = photo.image;
    emo_redraw face = smile(image);
    set(face, image);
    const std::string text = REFUSED(EMO_ARGUMENT, emo_run(engine_, &face, 1));
    EXPECT_EQ(face.status, EMO_ARGUMENT);
    EXPECT_EQ(face.error, text);
    return text;
  };
  EXPECT_EQ(refusal([](auto& f, auto&) { f.passes = 9; }), "`passes`: 9 came; 1 to 8 are possible");
  EXPECT_EQ(refusal([](auto& f, auto&) { f.timeout_us = -1; }), "`timeout_us`: -1 came; at least 0 is needed");
  EXPECT_EQ(refusal([](auto& f, auto&) { f.aus = nullptr; }), "`aus`: NULL came; it is needed");
  EXPECT_EQ(refusal([](auto& f, auto&) {
              static float aus[EMO_MAX_AUS] = {0, 0, 1.5f};
              f.aus = aus;
            }),
            "`aus`[2]: 1.5 came; 0 to 1 is needed");
  EXPECT_EQ(refusal([](auto& f, auto&) { f.photo = nullptr; }), "`photo`: NULL came; it is needed");
  EXPECT_EQ(refusal([](auto& f, auto&) { f.box.side = 0; }),
            "`box`: a square at 40, 30 of side 0, turned by 0, came; finite numbers and a side above 0 are needed");
  EXPECT_EQ(refusal([](auto& f, auto&) { f.is_crop = 1; }),
            "`is_crop`: a photo of 200x160 came; this model's crops are 128x128");
  EXPECT_EQ(refusal([&](auto& f, auto&) { f.out = &small.image; }),
            "`out`: a picture of 100x100 came; one of the photo's 200x160 is needed");
  EXPECT_EQ(refusal([](auto&, auto& i) { i.width = -1; }),
            "`photo`: a picture of -1x160 came; 1 to 16384 px a side are taken");
  EXPECT_EQ(refusal([](auto&, auto& i) { i.stride = 599; }),
            "`photo.stride`: 599 came; 0, or at least the 600 bytes of a row are needed");
  EXPECT_EQ(refusal([](auto&, auto& i) { i.stride = -600; }),
            "`photo.stride`: -600 came; 0, or at least the 600 bytes of a row are needed");
  EXPECT_EQ(refusal([](auto&, auto& i) { i.format = 4; }), "`photo.format`: 4 came; EMO_RGB8 to EMO_BGRA8 are known");
  EXPECT_EQ(refusal([](auto&, auto& i) { i.memory = 1; }), "`photo.memory`: 1 came; only 0, the processor's, is taken");
  EXPECT_EQ(refusal([](auto&, auto& i) { i.pixels = nullptr; }), "`photo.pixels`: NULL came; a picture is needed");
}

TEST_F(CApi, ModelThatWasNotOpenedIsNamed) {
  emo_options options = emo_default_options();
  options.models = EMO_SPEECH;
  emo_engine* engine = nullptr;
  ASSERT_EQ(emo_open(&options, &engine), EMO_OK) << emo_error();
  EXPECT_EQ(emo_face_side(engine), 0);
  EXPECT_EQ(emo_au_count(engine), 17);
  Picture photo;
  emo_redraw face = smile(photo.image);
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_run(engine, &face, 1)),
            "`engine`: was opened without a generator; add EMO_GENERATOR to models");
  emo_close(engine);
}

/// An emo_redraw as a later header may have it.
struct LaterRedraw {
  emo_redraw now;
  std::int64_t later;
};

TEST_F(CApi, StructsOfALaterHeaderAreTakenWhileTheirNewFieldsAreZero) {
  Picture one, two;
  LaterRedraw faces[2] = {{smile(one.image), 0}, {smile(two.image), 0}};
  for (LaterRedraw& face : faces) face.now.size = sizeof face;
  faces[1].now.box.side = 80;
  ASSERT_EQ(emo_run(engine_, &faces[0].now, 2), EMO_OK) << emo_error();
  EXPECT_NE(one.rgb(), Picture().rgb());
  EXPECT_NE(two.rgb(), Picture().rgb());
  EXPECT_NE(two.rgb(), one.rgb());

  faces[1].later = 1;
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_run(engine_, &faces[0].now, 2)),
            "`emo_redraw.size`: 368 came, and version " + std::string(emo_version()) +
                " of the library knows the first 360 bytes alone; leave newer fields 0, or install the library that belongs "
                "to the header");
  faces[1].now.size = sizeof(emo_redraw);
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_run(engine_, &faces[0].now, 2)),
            "`faces`[1].size: 360 came; all of an array have that of the first, 368");
}

TEST_F(CApi, OneBadFaceFailsAlone) {
  Picture good, bad, alone;
  emo_redraw faces[] = {smile(good.image), smile(bad.image)};
  faces[1].box.side = -1;
  EXPECT_EQ(emo_run(engine_, faces, 2), EMO_ARGUMENT);
  EXPECT_EQ(faces[0].status, EMO_OK);
  EXPECT_STREQ(faces[0].error, "");
  EXPECT_EQ(faces[1].status, EMO_ARGUMENT);
  EXPECT_THAT(faces[1].error, StartsWith("`box`: "));
  EXPECT_EQ(bad.rgb(), Picture().rgb());
  emo_redraw single = smile(alone.image);
  ASSERT_EQ(emo_run(engine_, &single, 1), EMO_OK) << emo_error();
  EXPECT_EQ(good.rgb(), alone.rgb());
}

TEST_F(CApi, EveryFormatAndStrideGivesTheSamePicture) {
  Picture plain;
  emo_redraw face = smile(plain.image);
  ASSERT_EQ(emo_run(engine_, &face, 1), EMO_OK) << emo_error();
  for (const int format : {EMO_BGR8, EMO_RGBA8, EMO_BGRA8}) {
    Picture other(200, 160, format, 13);
    face = smile(other.image);
    ASSERT_EQ(emo_run(engine_, &face, 1), EMO_OK) << emo_error();
    EXPECT_EQ(other.rgb(), plain.rgb()) << format;
    EXPECT_EQ(other.pixels.back(), 7) << "a byte between rows was written";
    if (format == EMO_BGR8) continue;
    EXPECT_EQ(other.at(90, 80)[3], 7) << "alpha was written";
  }
  Picture photo, out(200, 160, EMO_BGRA8);
  face = smile(photo.image);
  face.out = &out.image;
  ASSERT_EQ(emo_run(engine_, &face, 1), EMO_OK) << emo_error();
  EXPECT_EQ(out.rgb(), plain.rgb());
  EXPECT_EQ(photo.rgb(), Picture().rgb());
}

TEST_F(CApi, CutFaceIsRedrawnAsItsPhotoIs) {
  Picture photo;
  emo_face* cut = nullptr;
  ASSERT_EQ(emo_cut(engine_, &photo.image, {40, 30, 100}, &cut), EMO_OK) << emo_error();
  const std::size_t plane = 128 * 128;
  std::vector<float> from_cut(3 * plane), from_photo(3 * plane), mask(plane);
  emo_redraw faces[] = {smile(photo.image), smile(photo.image)};
  faces[0].out = faces[1].out = nullptr;
  faces[0].photo = nullptr;
  faces[0].face = cut;
  faces[0].after = from_cut.data();
  faces[1].after = from_photo.data();
  faces[1].mask = mask.data();
  ASSERT_EQ(emo_run(engine_, faces, 2), EMO_OK) << emo_error();
  EXPECT_EQ(from_cut, from_photo);
  EXPECT_GT(*std::ranges::max_element(mask), 0);
  EXPECT_EQ(photo.rgb(), Picture().rgb());
  emo_face_free(cut);
}

TEST_F(CApi, RelativeAddsToWhatThePhotoShows) {
  Picture photo, still, smiling;
  const float none[EMO_MAX_AUS] = {};
  emo_redraw faces[] = {smile(photo.image), smile(photo.image)};
  faces[0].aus = none;
  faces[0].out = &still.image;
  faces[1].out = &smiling.image;
  for (emo_redraw& face : faces) face.relative = 1, face.detail = EMO_DETAIL_NETWORK;
  ASSERT_EQ(emo_run(engine_, faces, 2), EMO_OK) << emo_error();
  EXPECT_EQ(still.rgb(), photo.rgb());
  EXPECT_NE(smiling.rgb(), photo.rgb());
}

TEST_F(CApi, SubmittedFacesAreDoneOnceAndAsInACall) {
  Picture waited, called;
  emo_redraw face = smile(waited.image);
  std::atomic<int> done = 0;
  emo_job* job = nullptr;
  ASSERT_EQ(emo_submit(
                engine_, &face, 1, [](void* user) { ++*static_cast<std::atomic<int>*>(user); }, &done, &job),
            EMO_OK)
      << emo_error();
  ASSERT_EQ(emo_wait(job, -1), EMO_OK) << emo_error();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(face.status, EMO_OK) << face.error;
  emo_cancel(job);
  emo_job_free(job);
  EXPECT_EQ(done, 1);
  face = smile(called.image);
  ASSERT_EQ(emo_run(engine_, &face, 1), EMO_OK) << emo_error();
  EXPECT_EQ(waited.rgb(), called.rgb());

  face.box.side = 0;  // nothing can be drawn: done all the same
  const auto count = [](void* user) { ++*static_cast<std::atomic<int>*>(user); };
  ASSERT_EQ(emo_submit(engine_, &face, 1, count, &done, &job), EMO_OK) << emo_error();
  ASSERT_EQ(emo_wait(job, -1), EMO_OK) << emo_error();
  EXPECT_EQ(face.status, EMO_ARGUMENT);
  EXPECT_EQ(done, 2);
  emo_job_free(job);
  EXPECT_EQ(emo_run(engine_, nullptr, 0), EMO_OK) << emo_error();
}

TEST_F(CApi, CancelledFacesSaySoAndReturnSoon) {
  std::vector<Picture> pictures(8);
  std::vector<emo_redraw> faces;
  for (Picture& picture : pictures) {
    faces.push_back(smile(picture.image));
    faces.back().passes = 8;
  }
  emo_job *first = nullptr, *second = nullptr;
  ASSERT_EQ(emo_submit(engine_, faces.data(), 8, nullptr, nullptr, &first), EMO_OK) << emo_error();
  Picture photo;
  emo_redraw late = smile(photo.image);
  late.timeout_us = 1;
  const emo_status submitted = emo_submit(engine_, &late, 1, nullptr, nullptr, &second);
  if (submitted == EMO_OK) {
    EXPECT_EQ(emo_wait(second, -1), EMO_OK);
    EXPECT_THAT(late.status, testing::AnyOf(EMO_TIMEOUT, EMO_OK));
  } else {
    EXPECT_EQ(submitted, EMO_BUSY);
  }
  emo_cancel(first);
  ASSERT_EQ(emo_wait(first, 10'000'000), EMO_OK) << emo_error();
  for (const emo_redraw& face : faces) {
    EXPECT_THAT(face.status, testing::AnyOf(EMO_OK, EMO_CANCELLED)) << face.error;
    EXPECT_EQ(face.status == EMO_CANCELLED, face.error[0] != 0);
  }
  emo_job_free(second);
  emo_job_free(first);
}

TEST_F(CApi, ThreadsHaveErrorsOfTheirOwnAndConcurrentCallsTheSameBytes) {
  Picture alone;
  emo_redraw face = smile(alone.image);
  ASSERT_EQ(emo_run(engine_, &face, 1), EMO_OK) << emo_error();
  emo_au_name(engine_, 99);
  const std::string mine = emo_error();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      EXPECT_STREQ(emo_error(), "");
      Picture photo;
      emo_redraw one = smile(photo.image);
      EXPECT_EQ(emo_run(engine_, &one, 1), EMO_OK) << emo_error();
      EXPECT_EQ(photo.rgb(), alone.rgb());
      emo_au_name(engine_, 100 + t);
      EXPECT_THAT(emo_error(), StartsWith("`index`: " + std::to_string(100 + t)));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(emo_error(), mine);
}

TEST_F(CApi, ModelsAndFilesComeFromMemoryToo) {
  const std::string model = bytes_of(kLite), photo = bytes_of(kSamples + "astronaut.png");
  emo_options options = emo_default_options();
  options.models = EMO_GENERATOR;
  options.generator = {nullptr, model.data(), model.size()};
  emo_engine* engine = nullptr;
  ASSERT_EQ(emo_open(&options, &engine), EMO_OK) << emo_error();
  Picture here, there;
  emo_redraw face = smile(here.image), other = smile(there.image);
  ASSERT_EQ(emo_run(engine, &face, 1), EMO_OK) << emo_error();
  ASSERT_EQ(emo_run(engine_, &other, 1), EMO_OK) << emo_error();
  EXPECT_EQ(here.rgb(), there.rgb());
  emo_close(engine);
  options.generator.bytes = 100;
  EXPECT_THAT(REFUSED(EMO_MODEL, emo_open(&options, &engine)), StartsWith("generator: "));

  emo_picture* picture = nullptr;
  const emo_source source{nullptr, photo.data(), photo.size()}, damaged{nullptr, photo.data(), 60};
  ASSERT_EQ(emo_read_picture(&source, &picture), EMO_OK) << emo_error();
  emo_image image;
  ASSERT_EQ(emo_picture_image(picture, &image), EMO_OK);
  EXPECT_EQ(image.width, 512);
  emo_picture_free(picture);
  EXPECT_THAT(REFUSED(EMO_INPUT, emo_read_picture(&damaged, &picture)), StartsWith("source: "));
}

TEST_F(CApi, VoiceIsReadWholeAndOverTime) {
  const std::string path = kSamples + "happy.flac";
  const emo_source source = file(path);
  emo_sound* sound = nullptr;
  ASSERT_EQ(emo_read_sound(&source, emo_sample_rate(engine_), &sound), EMO_OK) << emo_error();
  std::size_t samples = 0;
  const float* pcm = emo_sound_pcm(sound, &samples);
  ASSERT_GT(samples, 16'000u);
  emo_voice* voice = nullptr;
  ASSERT_EQ(emo_hear(engine_, pcm, samples, &voice), EMO_OK) << emo_error();
  emo_sound_free(sound);
  const int n = emo_au_count(engine_);
  std::vector<float> whole(std::size_t(n), -1), rows(std::size_t(n) * 3, -1);
  ASSERT_EQ(emo_voice_whole(voice, whole.data()), EMO_OK) << emo_error();
  float strength = 0;
  EXPECT_STREQ(emo_emotion(engine_, whole.data(), &strength), "happiness");
  EXPECT_GT(strength, 0.3f);
  const double times[] = {0, 1, 1000};
  ASSERT_EQ(emo_voice_at(voice, times, 3, rows.data()), EMO_OK) << emo_error();
  for (const float value : rows) EXPECT_TRUE(value >= 0 && value <= 1) << value;
  EXPECT_EQ(*std::max_element(rows.end() - n, rows.end()), 0) << "long after the clip the face is neutral";
  EXPECT_EQ(emo_voice_at(voice, nullptr, 0, nullptr), EMO_OK);
  const double never[] = {std::nan("")};
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_voice_at(voice, never, 1, rows.data())),
            "`times_s`[0]: nan came; a finite time is needed");

  std::vector<float> spoken(rows.size());
  ASSERT_EQ(emo_voice_add_lips(voice, times, 3, 1, spoken.data()), EMO_OK) << emo_error();
  EXPECT_GT(*std::max_element(spoken.begin(), spoken.end() - n), 0.1f) << "at 0 or 1 s the mouth is open";
  EXPECT_EQ(*std::max_element(spoken.end() - n, spoken.end()), 0) << "long after the clip it is shut";
  std::vector<float> still = rows;
  ASSERT_EQ(emo_voice_add_lips(voice, times, 3, 0, still.data()), EMO_OK) << emo_error();
  EXPECT_EQ(still, rows);
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_voice_add_lips(voice, times, 3, 2.5, still.data())),
            "`amount`: 2.5 came; 0 to 2 are possible");
  emo_voice_free(voice);
}

TEST_F(CApi, AVoiceThatIsStillSpeakingGivesTheSameRowsHoweverItIsCut) {
  const std::string model = EMO_SOURCE_DIR "/tests/golden/speech_voice.safetensors", path = kSamples + "happy.flac";
  emo_options options = emo_default_options();
  options.models = EMO_SPEECH;
  options.speech = file(model);
  const emoengine::Engine engine(options);
  const emoengine::Sound sound(file(path), engine.sample_rate());
  const auto pcm = sound.pcm();
  const auto rows = [&](std::size_t block) {
    emoengine::Live live = engine.hear_live(25);
    emoengine::Aus all;
    for (std::size_t i = 0; i < pcm.size(); i += block) {
      const auto more = live.push(pcm.subspan(i, std::min(block, pcm.size() - i)));
      all.insert(all.end(), more.begin(), more.end());
    }
    const auto last = live.finish();
    EXPECT_FALSE(last.empty());
    all.insert(all.end(), last.begin(), last.end());
    return all;
  };
  const auto whole = rows(pcm.size());
  EXPECT_EQ(whole.size(),
            std::size_t(engine.au_count()) * std::size_t(std::ceil(double(pcm.size()) / engine.sample_rate() * 25)));
  EXPECT_GT(*std::ranges::max_element(whole), 0);
  EXPECT_EQ(rows(333), whole);
}

TEST_F(CApi, ALiveVoiceSaysWhatItCannotDo) {
  emo_live* live = nullptr;
  std::string model = EMO_SOURCE_DIR "/tests/golden/speech_mean.safetensors";
  emo_options options = emo_default_options();
  options.models = EMO_SPEECH;
  options.speech = file(model);
  emo_engine* engine = nullptr;
  ASSERT_EQ(emo_open(&options, &engine), EMO_OK) << emo_error();
  EXPECT_THAT(REFUSED(EMO_MODEL, emo_hear_live(engine, 25, &live)), HasSubstr("voice_change_db"));
  emo_close(engine);
  model = EMO_SOURCE_DIR "/tests/golden/speech_voice.safetensors";
  options.speech = file(model);
  ASSERT_EQ(emo_open(&options, &engine), EMO_OK) << emo_error();
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_hear_live(engine, 0, &live)), "`fps`: 0 came; more than 0 and at most 1000 is needed");
  ASSERT_EQ(emo_hear_live(engine, 25, &live), EMO_OK) << emo_error();
  float row[EMO_MAX_AUS];
  std::size_t waiting = 9;
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_live_take(live, 1, row)), "`rows`: 1 came; 0 wait");
  EXPECT_EQ(emo_live_push(live, nullptr, 1, &waiting), EMO_ARGUMENT);
  EXPECT_EQ(emo_live_push(live, row, 1, nullptr), EMO_ARGUMENT);
  EXPECT_EQ(emo_live_push(nullptr, row, 1, &waiting), EMO_ARGUMENT);
  EXPECT_EQ(emo_live_finish(nullptr, &waiting), EMO_ARGUMENT);
  EXPECT_EQ(emo_live_take(nullptr, 1, row), EMO_ARGUMENT);
  EXPECT_EQ(waiting, 9u);
  ASSERT_EQ(emo_live_finish(live, &waiting), EMO_OK) << emo_error();
  EXPECT_EQ(waiting, 1u);
  EXPECT_EQ(emo_live_take(live, 1, nullptr), EMO_ARGUMENT);
  EXPECT_EQ(emo_live_take(live, 1, row), EMO_OK) << emo_error();
  emo_live_free(live);
  emo_live_free(nullptr);
  emo_close(engine);
}

TEST_F(CApi, ExpressionsAddToTheVoiceAndEditsWin) {
  std::vector<float> voice(17), aus(17);
  voice[8] = 0.4f;  // AU12
  ASSERT_EQ(emo_express(engine_, voice.data(), 2, nullptr, "1=0.25", aus.data()), EMO_OK) << emo_error();
  EXPECT_EQ(aus[0], 0.25f);
  EXPECT_EQ(aus[8], 0.8f);
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_express(engine_, nullptr, 11, nullptr, nullptr, aus.data())),
            "`intensity`: 11 came; 0 to 10 is needed");
}

TEST_F(CApi, PicturesKeepTheirPixelsAndAlphaOnTheWayThroughAFile) {
  const emo::TempDir dir;
  const std::string path = dir / "a.png";
  Picture written(31, 17, EMO_BGRA8);
  ASSERT_EQ(emo_write_picture(&written.image, path.c_str()), EMO_OK) << emo_error();
  const emo_source source = file(path);
  emo_picture* picture = nullptr;
  ASSERT_EQ(emo_read_picture(&source, &picture), EMO_OK) << emo_error();
  Picture read(31, 17, EMO_RGBA8);
  emo_image image;
  ASSERT_EQ(emo_picture_image(picture, &image), EMO_OK);
  ASSERT_EQ(image.format, EMO_RGBA8);
  std::memcpy(read.pixels.data(), image.pixels, read.pixels.size());
  EXPECT_EQ(read.rgb(), written.rgb());
  EXPECT_EQ(read.at(3, 3)[3], 7);
  emo_picture_free(picture);

  emo_bytes* bytes = nullptr;
  ASSERT_EQ(emo_encode_picture(&written.image, "png", &bytes), EMO_OK) << emo_error();
  std::size_t size = 0;
  const void* data = emo_bytes_data(bytes, &size);
  EXPECT_EQ(std::string(static_cast<const char*>(data), size), bytes_of(path));
  emo_bytes_free(bytes);
}

TEST_F(CApi, APlugInWithACodecTakesNoOther) {
  emo_picture_codec codec{};
  codec.size = sizeof codec;
  codec.decode = [](void*, const void*, std::size_t, void (*)(void*, const emo_image*), void*) { return 1; };
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_set_picture_codec(&codec)), "`encode`: NULL came; it is needed");
  codec.encode = [](void*, const emo_image*, const char*, void (*)(void*, const void*, std::size_t), void*) { return 1; };
  EXPECT_EQ(REFUSED(EMO_DEVICE, emo_set_picture_codec(&codec)),
            "codec: this build reads and writes pictures itself; -DEMO_PYTHON=ON builds one that takes yours");
}

/// The sample's picture, to be freed, and its pixels.
void read_astronaut(emo_picture*& picture, emo_image& image) {
  const std::string path = kSamples + "astronaut.png";
  const emo_source source = file(path);
  ASSERT_EQ(emo_read_picture(&source, &picture), EMO_OK) << emo_error();
  ASSERT_EQ(emo_picture_image(picture, &image), EMO_OK);
}

TEST_F(CApi, FacesAreCountedBeyondTheCapacity) {
  emo_picture* picture = nullptr;
  emo_image image;
  ASSERT_NO_FATAL_FAILURE(read_astronaut(picture, image));
  std::int32_t found = 0;
  ASSERT_EQ(emo_find_faces(engine_, &image, nullptr, 0, &found), EMO_OK) << emo_error();
  EXPECT_EQ(found, 1);
  emo_box box{};
  ASSERT_EQ(emo_find_faces(engine_, &image, &box, 1, &found), EMO_OK) << emo_error();
  EXPECT_GT(box.side, 80);
  emo_picture_free(picture);
}

TEST_F(CApi, AFaceIsReadInPixelsOfItsPhoto) {
  emo_picture* picture = nullptr;
  emo_image image;
  ASSERT_NO_FATAL_FAILURE(read_astronaut(picture, image));
  emo_options options = emo_default_options();
  options.models = EMO_READER;
  emo_engine* engine = nullptr;
  ASSERT_EQ(emo_open(&options, &engine), EMO_OK) << emo_error();
  ASSERT_EQ(emo_au_count(engine), 17);
  std::vector<float> landmarks(2 * EMO_LANDMARKS), aus(17);
  emo_reading reading{};
  reading.size = sizeof reading;
  reading.landmarks = landmarks.data();
  reading.aus = aus.data();
  ASSERT_EQ(emo_read_face(engine, &image, {178, 80, 92, 0}, &reading), EMO_OK) << emo_error();
  EXPECT_GT(reading.confidence, 0.99);
  EXPECT_NEAR(reading.box.x, 178, 10);
  EXPECT_NEAR(reading.box.side, 92, 10);
  EXPECT_NEAR(reading.box.roll, 0, 0.2);
  const float left_eye = landmarks[2 * 33], right_eye = landmarks[2 * 263], chin_y = landmarks[2 * 152 + 1];
  EXPECT_GT(left_eye, 170);
  EXPECT_LT(left_eye, right_eye);
  EXPECT_GT(chin_y, landmarks[2 * 33 + 1]);
  int smile = 0;
  while (std::string(emo_au_name(engine, smile)) != "AU12") ++smile;
  EXPECT_GT(aus[smile], 0.3);
  ASSERT_EQ(emo_read_face(engine, &image, {350, 350, 92, 0}, &reading), EMO_OK) << emo_error();
  EXPECT_LT(reading.confidence, 0.5);
  emo_close(engine);
  emo_picture_free(picture);
}

TEST_F(CApi, WithoutAReaderTheDetectorFindsFacesAndNoneIsRead) {
  emo_options options = emo_default_options();
  options.models = EMO_SPEECH;
  emo_engine* engine = nullptr;
  ASSERT_EQ(emo_open(&options, &engine), EMO_OK) << emo_error();
  Picture photo;
  std::int32_t found = -1;
  EXPECT_EQ(emo_find_faces(engine, &photo.image, nullptr, 0, &found), EMO_OK) << emo_error();
  EXPECT_EQ(found, 0);
  emo_reading reading{};
  reading.size = sizeof reading;
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_read_face(engine, &photo.image, {0, 0, 90, 0}, &reading)),
            "`engine`: was opened without a face reader; add EMO_READER to models");
  emo_close(engine);
}

TEST_F(CApi, VideoIsWrittenAndReadBack) {
  const emo::TempDir dir;
  const std::string path = dir / "a.mp4";
  const std::vector<float> pcm(4'800, 0.1f);
  emo_video_options options{};
  options.size = sizeof options;
  options.fps = 10;
  options.pcm = pcm.data();
  options.samples = pcm.size();
  emo_video_writer* writer = nullptr;
  ASSERT_EQ(emo_write_video(path.c_str(), &options, &writer), EMO_OK) << emo_error();
  Picture frame(64, 48, EMO_BGRA8);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(emo_add_frame(writer, &frame.image), EMO_OK) << emo_error();
  Picture other(32, 32);
  EXPECT_EQ(emo_add_frame(writer, &other.image), EMO_INPUT);
  ASSERT_EQ(emo_finish_video(writer), EMO_OK) << emo_error();
  emo_video_writer_free(writer);

  const std::string encoded = bytes_of(path);
  const emo_source source{nullptr, encoded.data(), encoded.size()};
  emo_video_reader* reader = nullptr;
  double fps = 0, seconds = 0, time_s = -1;
  ASSERT_EQ(emo_read_video(&source, &fps, &seconds, &reader), EMO_OK) << emo_error();
  EXPECT_NEAR(fps, 10, 0.1);
  emo_image image;
  int frames = 0;
  while (emo_next_frame(reader, &image, &time_s) == EMO_OK && image.pixels) {
    EXPECT_NEAR(time_s, frames++ / 10., 0.01);
    EXPECT_EQ(image.width, 64);
  }
  EXPECT_EQ(frames, 3);
  emo_video_reader_free(reader);
}

/// What the frames of an animation were.
struct Shown {
  std::vector<std::int64_t> indices;
  std::vector<std::vector<std::uint8_t>> pictures;
  std::size_t stop_after = 100;
};

TEST_F(CApi, AnimationGivesEachFrameInItsOrderUntilTheCallerStops) {
  Picture photo;
  const emo_redraw face = smile(photo.image);
  std::vector<float> rows(5 * 17);
  for (std::size_t i = 2; i < 5; ++i) std::copy_n(face.aus, 17, &rows[i * 17]);
  Shown shown;
  emo_animation animation{};
  animation.size = sizeof animation;
  animation.photo = &photo.image;
  animation.box = face.box;
  animation.no_blinks = 1;
  animation.aus = rows.data();
  animation.rows = 5;
  animation.fps = 10;
  animation.smooth_s = animation.ease_s = -1;
  animation.user = &shown;
  animation.frame = [](void* user, const emo_image* image, std::int64_t index, std::int64_t count) -> std::int32_t {
    auto& all = *static_cast<Shown*>(user);
    EXPECT_EQ(count, 5);
    all.indices.push_back(index);
    const auto* pixels = static_cast<const std::uint8_t*>(image->pixels);
    all.pictures.emplace_back(pixels, pixels + image->width * image->height * 3);
    return all.indices.size() == all.stop_after;
  };
  ASSERT_EQ(emo_animate(engine_, &animation), EMO_OK) << emo_error();
  EXPECT_THAT(shown.indices, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(shown.pictures[0], shown.pictures[1]);
  EXPECT_NE(shown.pictures[1], shown.pictures[2]);
  Picture still;
  emo_redraw same = smile(still.image);
  ASSERT_EQ(emo_run(engine_, &same, 1), EMO_OK) << emo_error();
  EXPECT_EQ(shown.pictures[4], still.pixels);

  shown = {.stop_after = 2};
  EXPECT_THAT(REFUSED(EMO_CANCELLED, emo_animate(engine_, &animation)), StartsWith("animation: ended by `frame` after "));
  EXPECT_THAT(shown.indices, ElementsAre(0, 1));
  animation.lips = 2.5;
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_animate(engine_, &animation)), "`lips`: 2.5 came; up to 2 are possible");
  animation.lips = 0;
  animation.aus = nullptr;
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_animate(engine_, &animation)), "`voice`: one of `voice` and `aus` is needed");
  animation.frame = nullptr;
  EXPECT_EQ(REFUSED(EMO_ARGUMENT, emo_animate(engine_, &animation)), "`frame`: NULL came; it is needed");
}

TEST_F(CApi, NothingIsPrinted) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  std::vector<std::string> log;
  emo_options options = emo_default_options();
  options.log = [](void* user, std::int32_t level, const char* line) {
    EXPECT_EQ(level, EMO_LOG_NOTE);
    static_cast<std::vector<std::string>*>(user)->push_back(line);
  };
  options.user = &log;
  emo_engine* engine = nullptr;
  EXPECT_EQ(emo_open(&options, &engine), EMO_OK);
  Picture photo;
  emo_redraw face = smile(photo.image);
  EXPECT_EQ(emo_run(engine, &face, 1), EMO_OK);
  face.box.side = 0;
  EXPECT_EQ(emo_run(engine, &face, 1), EMO_ARGUMENT);
  const emo_source damaged{nullptr, "\x89PNG\r\n\x1a\n damaged", 17};
  emo_picture* picture = nullptr;
  EXPECT_EQ(emo_read_picture(&damaged, &picture), EMO_INPUT);
  emo_close(engine);
  for (const auto& line : log) EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
