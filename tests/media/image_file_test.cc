#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/media/files.h"

namespace emo {
namespace {

using testing::HasSubstr;

constexpr int kWidth = 48, kHeight = 32;
constexpr int kQuarters[2][2][3] = {{{200, 40, 30}, {30, 180, 60}}, {{40, 50, 190}, {220, 210, 200}}};

Image load(const std::string& name) { return media().load_image(fixture(name), {}); }
std::string load_error(const std::filesystem::path& path, const ImageLimits& limits = {}) {
  return input_error([&] { media().load_image(path, limits); });
}

/// The picture of all fixtures, each value to within `tolerance`; as luma (BT.601) when it is grey.
void expect_quarters(const Image& image, int tolerance, bool grey = false) {
  ASSERT_EQ(image.width, kWidth);
  ASSERT_EQ(image.height, kHeight);
  ASSERT_EQ(image.rgb.size(), std::size_t(kWidth) * kHeight * 3);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const int* want = kQuarters[y / 16][x / 24];
      const int luma = int(std::lround(0.299 * want[0] + 0.587 * want[1] + 0.114 * want[2]));
      for (int c = 0; c < 3; ++c)
        ASSERT_NEAR(image.pixel(x, y)[c], grey ? luma : want[c], tolerance) << x << "," << y << "," << c;
    }
  }
}

void expect_alpha_rises(const Image& image) {
  ASSERT_EQ(image.alpha.size(), std::size_t(kWidth) * kHeight);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) ASSERT_EQ(image.alpha[std::size_t(y) * kWidth + x], x * 255 / (kWidth - 1));
  }
}

TEST(LoadImage, LosslessFormatsAreExact) {
  for (const char* name : {"rgb.png", "rgb16.png", "rgb.webp", "rgb.bmp", "rgb.tif", "palette.png", "palette.bmp",
                           "rgb.avif", "rgb.jxl", "rgb16.jxl"}) {
    SCOPED_TRACE(name);
    expect_quarters(load(name), 0);
    EXPECT_TRUE(load(name).alpha.empty());
  }
}

TEST(LoadImage, JpegKeepsItsColours) {
  // Quarters are whole blocks: only the rounding of YCbCr (2) and of the quantised DC (1) is left.
  expect_quarters(load("rgb.jpg"), 3);
  expect_quarters(load("progressive.jpg"), 3);
}

TEST(LoadImage, HeicKeepsItsColours) {
  expect_quarters(load("rgb.heic"), 1);  // the rounding of YCbCr, which is not lossless
  expect_quarters(load("rgba.heic"), 1);
  expect_alpha_rises(load("rgba.heic"));
}

TEST(LoadImage, TenAndTwelveBitsBecomeEight) {
  // Rounded to 10 or 12 bits by the encoder, then to 8.
  expect_quarters(load("rgb10.heic"), 1);
  expect_quarters(load("rgb12.avif"), 1);
}

TEST(LoadImage, CmykComesOutAsRgb) {
  expect_quarters(load("cmyk.jpg"), 3);  // Adobe's way, inverted
  expect_quarters(load("cmyk.tif"), 1);
  EXPECT_TRUE(load("cmyk.tif").alpha.empty());
}

TEST(LoadImage, ColoursOfAProfileBecomeSrgb) {
  // Stored with red and green in each other's place, under a profile that says so. lcms rounds to 8 bits once (1).
  for (const char* name : {"profile.png", "profile.webp", "profile.tif", "profile.avif", "profile.jxl"}) {
    SCOPED_TRACE(name);
    expect_quarters(load(name), 1);
  }
  expect_quarters(load("profile.heic"), 2);
  expect_quarters(load("profile.jpg"), 4);
}

TEST(LoadImage, NumberedColoursBecomeSrgb) {
  // Display P3 by ITU-T H.273's codes. A step of P3's 8 bits is up to 1.3 of sRGB's, half of it lost; lcms rounds again.
  expect_quarters(load("p3.avif"), 2);
}

TEST(LoadImage, HdrIsRefused) {
  EXPECT_EQ(
      load_error(fixture("pq.avif")),
      fixture("pq.avif").string() + ": the AVIF picture is in HDR (PQ or HLG); an SDR picture is needed. Export it as JPEG");
}

TEST(LoadImage, LossyJpegXlKeepsItsColours) {
  // Stored in XYB with loss, which rings at the quarters' borders: their middles are compared.
  const Image image = load("lossy.jxl");
  for (int quarter = 0; quarter < 4; ++quarter) {
    for (int c = 0; c < 3; ++c)
      EXPECT_NEAR(image.pixel(quarter % 2 * 24 + 12, quarter / 2 * 16 + 8)[c], kQuarters[quarter / 2][quarter % 2][c], 4);
  }
}

TEST(LoadImage, SrgbsOwnProfileChangesNothing) {
  expect_quarters(load("srgb.png"), 0);
  expect_quarters(load("grey_profile.png"), 0, true);  // a profile of three colours on grey says nothing
}

TEST(LoadImage, ADamagedProfileDoesNotLoseThePicture) {
  const Folder folder;
  for (const char* name : {"profile.png", "profile.webp", "profile.jpg"}) {
    std::string file = bytes_of(fixture(name));
    const auto profile = file.find("CC");  // of iCCP, ICCP, ICC_PROFILE
    for (std::size_t at = profile + 20; at < profile + 220; at += 7) file[at] = char(file[at] ^ 0x55);
    EXPECT_EQ(media().load_image(folder.write(name, file), {}).width, kWidth) << name;
  }
}

TEST(LoadImage, OneProfileOfAPngIsLookedAt) {
  // Each may inflate to megabytes: with every one of thousands read, 10 MB of file took 21 s.
  const Folder folder;
  const std::string file = bytes_of(fixture("profile.png"));
  const auto at = file.find("iCCP") - 4, end = file.find("IDAT") - 4;
  const std::string swapped = file.substr(at, end - at), plain = bytes_of(fixture("srgb.png"));
  const auto plain_at = plain.find("iCCP") - 4;
  const std::string srgb = plain.substr(plain_at, plain.find("IDAT") - 4 - plain_at);
  expect_quarters(media().load_image(folder.write("a.png", file.substr(0, end) + srgb + file.substr(end)), {}), 1);
  const Image unswapped = media().load_image(folder.write("b.png", file.substr(0, at) + srgb + file.substr(at)), {});
  EXPECT_EQ(unswapped.pixel(0, 0)[0], kQuarters[0][0][1]);
}

TEST(LoadImage, ATiffsProfileThatIsNotThereDoesNotLoseThePicture) {
  const Folder folder;
  const std::string file = bytes_of(fixture("profile.tif"));
  const auto at = file.find(std::string("\x73\x87\x07\0", 4));  // tag 34675, type UNDEFINED
  ASSERT_NE(at, std::string::npos);
  const auto with = [&](std::size_t offset, const std::string& bytes) {
    std::string changed = file;
    changed.replace(at + offset, bytes.size(), bytes);
    return media().load_image(folder.write("a.tif", changed), {});
  };
  expect_quarters(with(2, std::string("\x01\0", 2)), 1);                      // BYTE is as good
  EXPECT_EQ(with(4, "\xFF\xFF\xFF\x7F").pixel(0, 0)[0], kQuarters[0][0][1]);  // a length past the end
  EXPECT_EQ(with(8, "\xFF\xFF\xFF\x7F").pixel(0, 0)[0], kQuarters[0][0][1]);  // a place past the end
}

TEST(LoadImage, GreyIsThreeEqualChannels) {
  expect_quarters(load("grey.png"), 1, true);
  expect_quarters(load("grey_alpha.png"), 1, true);
  expect_quarters(load("grey.jpg"), 2, true);
  for (const char* name : {"grey.heic", "grey.avif", "grey.jxl"}) expect_quarters(load(name), 1, true);
}

TEST(LoadImage, AlphaIsKept) {
  for (const char* name : {"rgba.png", "rgba16.png", "rgba.webp", "turned6.png", "turned7.png", "rgba.avif", "rgba.jxl",
                           "turned6.jxl", "turned7.jxl"}) {
    SCOPED_TRACE(name);
    expect_quarters(load(name), 0);
    expect_alpha_rises(load(name));
  }
  expect_alpha_rises(load("grey_alpha.png"));
}

TEST(LoadImage, TransparentColourBecomesAlpha) {
  const Image image = load("trns.png");
  expect_quarters(image, 0);
  EXPECT_EQ(image.alpha.front(), 0);
  EXPECT_EQ(image.alpha.back(), 255);
}

/// A BMP of one row, 32 bits a pixel, under masks for red, green and blue (BITFIELDS) and the plain header, which has none
/// for alpha.
std::string masked_bmp(std::initializer_list<std::uint32_t> row) {
  const std::uint64_t bytes = 4 * row.size();
  std::string file = "BM" + little(66 + bytes, 4) + little(0, 4) + little(66, 4) + little(40, 4) + little(row.size(), 4) +
                     little(1, 4) + little(1, 2) + little(32, 2) + little(3, 4) + little(bytes, 4) + std::string(16, 0) +
                     little(0xFF0000, 4) + little(0xFF00, 4) + little(0xFF, 4);
  for (const std::uint32_t pixel : row) file += little(pixel, 4);
  return file;
}

TEST(LoadImage, ABmpsPaddingIsNoAlpha) {
  const Folder folder;
  const Image padded = media().load_image(folder.write("a.bmp", masked_bmp({0x00102030, 0x00405060})), {});
  EXPECT_EQ(padded.rgb, (std::vector<std::uint8_t>{0x10, 0x20, 0x30, 0x40, 0x50, 0x60}));
  EXPECT_TRUE(padded.alpha.empty());
  const Image alpha = media().load_image(folder.write("b.bmp", masked_bmp({0x00102030, 0x80405060})), {});
  EXPECT_EQ(alpha.alpha, (std::vector<std::uint8_t>{0, 0x80}));
}

TEST(LoadImage, TiffIsNotDarkenedByItsAlpha) {
  const Image image = load("rgba.tif");
  expect_alpha_rises(image);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 1; x < kWidth; ++x) {
      // libtiff multiplied by alpha and rounded, by up to one: divided by alpha that is 255 / alpha, and half a step again.
      const int tolerance = 1 + 255 / image.alpha[std::size_t(x)];
      for (int c = 0; c < 3; ++c)
        ASSERT_NEAR(image.pixel(x, y)[c], kQuarters[y / 16][x / 24][c], tolerance) << x << "," << y;
    }
  }
}

TEST(LoadImage, EveryOrientationStandsUpright) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    SCOPED_TRACE(orientation);
    expect_quarters(load("turned" + std::to_string(orientation) + ".jpg"), 3);
  }
  for (const char* name : {"turned6.webp", "turned7.webp", "turned6.tif", "turned7.tif", "turned6.avif", "turned7.avif"}) {
    SCOPED_TRACE(name);
    expect_quarters(load(name), 0);
  }
}

TEST(LoadImage, AJpegWithinJpegXlStandsUpright) { expect_quarters(load("jpeg6.jxl"), 3); }

TEST(LoadImage, TheNameDoesNotMatter) {
  const Folder folder;
  expect_quarters(media().load_image(folder.write("picture.png", bytes_of(fixture("rgb.avif"))), {}), 0);
  expect_quarters(media().load_image(folder.write("picture.jpg", bytes_of(fixture("rgb.png"))), {}), 0);
}

TEST(LoadImage, BytesAfterTheEndAreIgnored) {
  const Folder folder;
  for (const char* name : {"rgb.jpg", "rgb.png", "rgb.webp", "rgb.bmp", "rgb.tif", "rgb.heic", "rgb.avif", "rgb.jxl"}) {
    SCOPED_TRACE(name);
    expect_quarters(media().load_image(folder.write(name, bytes_of(fixture(name)) + std::string(1000, '\xFF')), {}), 3);
  }
}

TEST(LoadImage, HarmlessChunksPrintNothing) {
  // libpng warns about this picture's colour profile.
  testing::internal::CaptureStderr();
  EXPECT_EQ(media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {}).width, 512);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(LoadImage, EveryCutIsRefused) {
  const Folder folder;
  for (const auto& [name, kind] : {std::pair{"rgb.jpg", "JPEG"},
                                   {"progressive.jpg", "JPEG"},
                                   {"turned6.jpg", "JPEG"},
                                   {"rgb.png", "PNG"},
                                   {"rgb.webp", "WebP"},
                                   {"rgb.bmp", "BMP"},
                                   {"rgb.tif", "TIFF"}}) {
    const std::string whole = bytes_of(fixture(name));
    for (std::size_t size = 16; size < whole.size(); size += whole.size() / 23) {
      const auto path = folder.write(name, whole.substr(0, size));
      EXPECT_THAT(load_error(path), HasSubstr(concat(": the ", kind, " picture ends early, after ", size,
                                                     " bytes; copy or download it again")));
    }
    EXPECT_NE(load_error(folder.write(name, whole.substr(0, whole.size() - 1))), "no error") << name;
  }
}

TEST(LoadImage, ACutNewerPictureIsRefused) {
  const Folder folder;
  for (const char* name : {"rgb.heic", "rgb.avif", "turned6.avif", "rgb.jxl", "jpeg6.jxl"}) {
    SCOPED_TRACE(name);
    const std::string whole = bytes_of(fixture(name));
    for (std::size_t size = 16; size < whole.size(); size += 1 + whole.size() / 23) {
      EXPECT_THAT(load_error(folder.write(name, whole.substr(0, size))),
                  HasSubstr(concat(" picture ends early, after ", size, " bytes; copy or download it again")));
    }
    EXPECT_NE(load_error(folder.write(name, whole.substr(0, whole.size() - 1))), "no error");
  }
}

TEST(LoadImage, WhatLibheifDoesNotKnowNamesItsVersion) {
  const Folder folder;
  std::string bytes = bytes_of(fixture("rgb.heic"));
  bytes.replace(bytes.find("hvc1"), 4, "vvc9");
  EXPECT_THAT(
      load_error(folder.write("new.heic", bytes)),
      testing::ContainsRegex(": the HEIC picture is refused by libheif [0-9.]+ \\(.*\\)\\. Newer phones write what it "
                             "does not know: export the picture as JPEG$"));
}

TEST(LoadImage, ADamagedPngNamesThePlace) {
  const Folder folder;
  std::string bytes = bytes_of(fixture("rgb.png"));
  bytes[50] = char(bytes[50] ^ 1);
  const auto path = folder.write("bad.png", bytes);
  EXPECT_EQ(load_error(path), path.string() +
                                  ": the PNG picture is damaged: the check sum of its chunk at byte 33 is wrong. "
                                  "Copy or download it again");
}

TEST(LoadImage, OtherFilesAreNamed) {
  const Folder folder;
  const auto expect = [&](const std::filesystem::path& path, const std::string& what) {
    EXPECT_EQ(load_error(path),
              path.string() + ": is " + what +
                  "; JPEG, PNG, WebP, HEIC, AVIF, JPEG XL, TIFF and BMP pictures can be read. Convert it to PNG first");
  };
  expect(fixture("rgb.gif"), "a GIF picture");
  expect(fixture("sine.flac"), "a FLAC sound");
  expect(folder.write("notes.png", "Dear diary,\n"), "a text file");
  expect(folder.write("noise.png", std::string("\1\2\3\0\4\5", 6)), "a file of unknown kind");
  expect(folder.write("phone.jpg", std::string("\0\0\0\x18", 4) + "ftypmp42"), "an MP4 video");
}

TEST(LoadImage, MissingEmptyAndFolder) {
  const Folder folder;
  EXPECT_THAT(load_error(folder / "none.png"),
              HasSubstr((folder / "none.png").string() + ": cannot be opened: No such file"));
  EXPECT_THAT(load_error(folder.write("empty.png", "")), HasSubstr("is empty (0 bytes)"));
  EXPECT_THAT(load_error(folder / ""), HasSubstr("is a folder; name one file in it"));
}

TEST(LoadImage, SizesBeyondTheLimitsAreRefused) {
  EXPECT_EQ(load_error(fixture("long.png")),
            fixture("long.png").string() +
                ": the PNG picture has a size of 65494x5; at most 16384 pixels a side are taken. "
                "Scale it down, or raise `max_side`");
  EXPECT_EQ(load_error(fixture("huge.png")),
            fixture("huge.png").string() +
                ": the PNG picture has a size of 9000x6000, 54 megapixels; at most 50 are taken. "
                "Scale it down, or raise `max_megapixels`");
  for (const char* name : {"rgb.jpg", "rgb.webp", "rgba.webp", "turned6.webp", "rgb.bmp", "rgb.tif", "rgb.heic", "rgb.avif",
                           "turned6.avif", "rgb.jxl", "turned6.jxl"}) {
    EXPECT_THAT(load_error(fixture(name), {.max_megapixels = 0.001}), HasSubstr("at most 0.001 are taken")) << name;
    EXPECT_THAT(load_error(fixture(name), {.max_side = 31}), HasSubstr("at most 31 pixels a side")) << name;
  }
  EXPECT_EQ(media().load_image(fixture("long.png"), {.max_side = 65494}).width, 65494);
}

TEST(LoadImage, AnimationsAreRefused) {
  EXPECT_THAT(load_error(fixture("animated.avif")),
              HasSubstr(": the AVIF picture is an animation; a still picture is needed"));
  EXPECT_THAT(load_error(fixture("animated.jxl")),
              HasSubstr(": the JPEG XL picture is an animation; a still picture is needed"));
  EXPECT_EQ(load_error(fixture("animated.webp")),
            fixture("animated.webp").string() + ": the WebP picture is an animation; a still picture is needed");
}

/// A TIFF of these tags (all LONG) and nothing else.
std::string tiff(std::initializer_list<std::pair<int, std::uint32_t>> tags) {
  std::string bytes = std::string("II\x2A\0", 4) + little(8, 4) + little(tags.size(), 2);
  for (const auto& [tag, value] : tags)
    bytes += little(std::uint64_t(tag), 2) + little(4, 2) + little(1, 4) + little(value, 4);
  return bytes + little(0, 4);
}

TEST(LoadImage, ATiffTileIsLimitedLikeAPicture) {
  const Folder folder;
  const auto tiles = folder.write("tiles.tif", tiff({{256, 10}, {257, 10}, {322, 16384}, {323, 16384}}));
  EXPECT_THAT(load_error(tiles), HasSubstr("has a tile size of 16384x16384, 268.5 megapixels; at most 50 are taken"));
  const auto deep = folder.write("deep.tif", tiff({{256, 10}, {257, 10}, {277, 7}}));
  EXPECT_THAT(load_error(deep), HasSubstr("has 7 values a pixel; at most 4 are taken. Save it as PNG"));
}

TEST(LoadImage, HeadersWithoutSenseAreDamage) {
  const Folder folder;
  EXPECT_THAT(load_error(folder.write("zero.tif", tiff({{256, 0}, {257, 10}}))), HasSubstr("is damaged: its size is 0x10"));
  std::string bmp = bytes_of(fixture("rgb.bmp"));
  bmp[28] = 64;
  EXPECT_THAT(load_error(folder.write("bits.bmp", bmp)), HasSubstr("is damaged: it has 64 bits a pixel"));
  bmp[28] = 24;
  bmp[30] = 1;
  EXPECT_THAT(load_error(folder.write("rle.bmp", bmp)), HasSubstr("is compressed, which BMP seldom is; save it as PNG"));
  EXPECT_THAT(load_error(folder.write("no.jpg", "\xFF\xD8\xFF\xD9")), HasSubstr("is damaged: it holds no picture data"));
  std::string png = bytes_of(fixture("rgb.png"));
  png[12] = 'X';
  EXPECT_THAT(load_error(folder.write("x.png", png)), HasSubstr("is damaged: it does not begin with its header"));
}

TEST(LoadImage, ManyScansAreRefused) {
  const Folder folder;
  std::string jpeg = bytes_of(fixture("progressive.jpg"));
  std::string scans;
  for (int i = 0; i < 100; ++i) scans += std::string("\xFF\xDA\0\x02", 4);
  jpeg.insert(jpeg.size() - 2, scans);
  EXPECT_THAT(load_error(folder.write("slow.jpg", jpeg)), HasSubstr("has more than 100 scans; save it as a plain JPEG"));
}

TEST(LoadImage, DamagedExifDoesNotLoseThePicture) {
  const Folder folder;
  std::string jpeg = bytes_of(fixture("turned1.jpg"));
  jpeg[jpeg.find("Exif") + 10] = '\xFF';  // where the directory lies
  expect_quarters(media().load_image(folder.write("exif.jpg", jpeg), {}), 3);
}

TEST(SaveImage, RoundTripsByExtension) {
  const Folder folder;
  for (const char* name : {"a.png", "a.webp", "a.tif", "a.TIFF"}) {
    SCOPED_TRACE(name);
    media().save_image(folder / name, load("rgba.png"));
    expect_alpha_rises(media().load_image(folder / name, {}));
  }
  expect_quarters(media().load_image(folder / "a.png", {}), 0);
  for (const char* name : {"a.jpg", "a.JPEG", "a.bmp"}) {
    SCOPED_TRACE(name);
    media().save_image(folder / name, load("rgb.png"));
    EXPECT_TRUE(media().load_image(folder / name, {}).alpha.empty());
  }
  expect_quarters(media().load_image(folder / "a.bmp", {}), 0);
  // Quality 95 steps the DC by 2 and halves the colour's resolution; the quarters' inner blocks feel the first only.
  const Image jpeg = media().load_image(folder / "a.jpg", {});
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(jpeg.pixel(4, 4)[c], kQuarters[0][0][c], 4);
}

TEST(SaveImage, WhereAlphaCannotBeKeptThePictureIsShownOnWhite) {
  const Folder folder;
  media().save_image(folder / "a.bmp", load("rgba.png"));
  const Image back = media().load_image(folder / "a.bmp", {});
  for (int x = 0; x < kWidth; ++x) {
    const int alpha = x * 255 / (kWidth - 1), colour = kQuarters[0][x / 24][0];
    EXPECT_EQ(back.pixel(x, 0)[0], (colour * alpha + 255 * (255 - alpha) + 127) / 255) << x;
  }
}

TEST(SaveImage, ReplacesAFileWholeAndLeavesNothingElse) {
  const Folder folder;
  folder.write("a.png", "old");
  media().save_image(folder / "a.png", load("rgb.png"));
  expect_quarters(media().load_image(folder / "a.png", {}), 0);
  const std::filesystem::directory_iterator files((folder / "a.png").parent_path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(SaveImage, RefusesWhatItCannotWrite) {
  const Folder folder;
  const Image image = load("rgb.png");
  const auto error = [&](const std::string& name, const Image& i) {
    return input_error([&] { media().save_image(folder / name, i); });
  };
  try {
    media().save_image(folder / "a.gif", image);
    FAIL() << "written";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_EQ(e.what(), "output: " + (folder / "a.gif").string() +
                            " ends in '.gif'; .png, .jpg, .jpeg, .webp, .bmp, .tif or .tiff is needed");
  }
  EXPECT_THAT(error("none/a.png", image), HasSubstr("cannot be written: No such file or directory"));
  EXPECT_EQ(error("a.webp", Image(16384, 1)),
            "output: " + (folder / "a.webp").string() + ": a picture of 16384x1 does not go into .webp; write a .png");
  EXPECT_FALSE(std::filesystem::exists(folder / "a.webp"));
}

TEST(SaveImage, AnEmptyImageIsOurDefect) {
  try {
    media().save_image("never.png", Image());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInternal);
    EXPECT_STREQ(e.what(), "encode_image: 0x0 with 0 bytes");
  }
}

}  // namespace
}  // namespace emo
