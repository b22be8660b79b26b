#include <cstdio>
#include <cstdlib>

#include "engine/media/photo_decoder.h"
#include "tests/media/files.h"

namespace emo {
namespace {

TEST(MediaLibrary, NamesItsParts) {
  EXPECT_THAT(media().describe(), testing::MatchesRegex("OpenCV [0-9.]+, dlib [0-9.]+, libsndfile [0-9.]+, soxr [0-9.]+"));
}

TEST(MediaLibrary, NamesThePhotosParts) {
  EXPECT_THAT(photo_decoder().describe(), testing::MatchesRegex("libheif [0-9.]+ .HEIC, AVIF., libjxl [0-9.]+ .JPEG XL."));
}

// For the test below, in a copy of this program that has no library beside it.
TEST(MediaLibrary, DISABLED_PrintWhyItIsMissing) {
  for (void (*open)() : {+[] { media(); }, +[] { photo_decoder(); }}) {
    try {
      open();
    } catch (const Error& e) {
      std::printf("%d|%s\n", int(e.kind()), e.what());
    }
  }
}

TEST(MediaLibrary, MissingLibrarySaysWhatToInstall) {
  const Folder folder;
  std::filesystem::copy_file("/proc/self/exe", folder / "alone");
  const std::string command = (folder / "alone").string() +
                              " --gtest_also_run_disabled_tests --gtest_filter=*PrintWhyItIsMissing > " +
                              (folder / "said").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(
      bytes_of(folder / "said"),
      testing::HasSubstr(concat(int(ErrorKind::kDevice), "|media: the plug-in for pictures and sounds cannot be loaded (",
                                std::filesystem::canonical(folder / ".").parent_path().string(),
                                "/lib/emoengine/libemo_media.so: cannot open shared object file: No such file or "
                                "directory). Install libemoengine-media0; or install libopencv-dev, libdlib-dev, "
                                "libjpeg-dev, libpng-dev, libsndfile1-dev, libsoxr-dev, liblcms2-dev and zlib1g-dev, "
                                "configure with -DEMO_MEDIA=ON "
                                "and build")));
  EXPECT_THAT(bytes_of(folder / "said"),
              testing::HasSubstr("libemo_photos.so: cannot open shared object file: No such file or directory). Install "
                                 "libemoengine-media0; or install libheif-dev and libjxl-dev, configure with "
                                 "-DEMO_MEDIA=ON and build; or save the picture as JPEG or PNG"));
}

}  // namespace
}  // namespace emo
