#include "engine/expression/au_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/npy.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kNames = {"AU01", "AU12", "AU45"};

AuCurve curve() {
  AuCurve curve;
  for (int i = 0; i < 5; ++i) {
    curve.times_s.push_back(i / 25.0);
    curve.rows.emplace_back(kNames, std::vector<float>{0.1f * float(i), 1.f, 0.12345f});
  }
  return curve;
}

class AuFile : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return dir_ / name;
  }
  std::string refused(const std::string& name, const std::string& text) {
    const auto path = write(name, text);
    return text_of(ErrorKind::kInput, [&] { read_au_file(path, kNames); });
  }
  const TempDir temp_;
  std::filesystem::path dir_ = temp_.path();
};

TEST_F(AuFile, CsvLooksAsOpenFaceWritesIt) {
  write_au_file(dir_ / "a.csv", curve());
  std::stringstream text;
  text << std::ifstream(dir_ / "a.csv").rdbuf();
  EXPECT_THAT(text.str(), testing::StartsWith("frame,timestamp,confidence,success,AU01_r,AU12_r,AU45_r\n"
                                              "1,0.000,1,1,0.0000,5.0000,0.6173\n"
                                              "2,0.040,1,1,0.5000,5.0000,0.6173\n"));
}

TEST_F(AuFile, EachFormatReadsBackWhatWasWritten) {
  for (const char* name : {"a.csv", "a.json", "a.npy"}) {
    write_au_file(dir_ / name, curve());
    const auto back = read_au_file(dir_ / name, kNames);
    ASSERT_EQ(back.rows.size(), 5u) << name;
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(back.times_s[i], curve().times_s[i], 1e-9) << name;
      // Half a step of the four decimals of a value of 0..5.
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_NEAR(back.rows[i].values()[k], curve().rows[i].values()[k], 1.01e-5) << name;
    }
  }
}

TEST_F(AuFile, OpenFacesOwnTableIsRead) {
  const auto path = write("o.csv",
                          "frame, face_id, timestamp, confidence, success, pose_Tx, AU45_r, AU12_r, AU01_r, AU01_c\r\n"
                          "1, 0, 0.000, 0.98, 1, -3.1, 0.5, 2.5, 5.00, 1.00\r\n");
  const auto rows = read_au_file(path, kNames).rows;
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_THAT(rows[0].values(), testing::ElementsAre(1.f, 0.5f, 0.1f));
}

TEST_F(AuFile, WrongTablesSayWhereAndWhat) {
  const std::string head = "timestamp,AU01_r,AU12_r,AU45_r\n";
  EXPECT_THAT(refused("a.csv", "frame,AU01_r\n1,2\n"), HasSubstr("a.csv: has no column 'timestamp'"));
  EXPECT_THAT(refused("a.csv", "timestamp,AU01_r,AU12_r\n0,0,0\n"), HasSubstr("lacks AU45"));
  EXPECT_THAT(refused("a.csv", "timestamp,AU01_r,AU12_r,AU45_r,AU99_r\n0,0,0,0,0\n"), HasSubstr("has AU99, which"));
  EXPECT_THAT(refused("a.csv", "timestamp,AU01_r,AU12_r,AU45_r,AU12_r\n0,0,0,0,0\n"), HasSubstr("has AU12 twice"));
  EXPECT_THAT(refused("a.csv", head), HasSubstr("has no rows"));
  EXPECT_THAT(refused("a.csv", head + "0,0,0\n"), HasSubstr("line 2 has 3 fields; the header has 4"));
  EXPECT_THAT(refused("a.csv", head + "0,0,x,0\n"), HasSubstr("line 2: AU12_r is 'x'; a number is needed"));
  EXPECT_THAT(refused("a.csv", head + "0,0,nan,0\n"), HasSubstr("line 2: AU12_r is 'nan'"));
  EXPECT_THAT(refused("a.csv", head + "0,0,5.1,0\n"), HasSubstr("line 2: AU12 is 5.1; 0 to 5 is needed"));
  EXPECT_THAT(refused("a.csv", head + "1,0,0,0\n1,0,0,0\n"), HasSubstr("line 3: the time 1 does not come after 1"));
  EXPECT_THAT(refused("a.csv", head + "-1,0,0,0\n"), HasSubstr("line 2: the time -1 is negative"));
  EXPECT_THAT(refused("a.json", "{"), HasSubstr("cannot be read as AU rows"));
  EXPECT_THAT(refused("a.json", R"({"au_names":["AU01","AU12","AU45"],"rows":[{"timestamp":0,"au":[0,0]}]})"),
              HasSubstr("row 1 has 2 AUs; 3 are needed"));
  EXPECT_THAT(refused("a.npy", "text that is no array"), HasSubstr("is no .npy file"));
}

TEST_F(AuFile, ArrayOfAnotherWidthIsRefused) {
  write_npy(dir_ / "a.npy", std::vector<std::int64_t>{1, 2}, std::vector<float>{0, 0});
  EXPECT_THAT(text_of(ErrorKind::kInput, [&] { read_au_file(dir_ / "a.npy", kNames); }),
              HasSubstr("is not of shape (rows, 3)"));
}

TEST_F(AuFile, OtherExtensionsAreRefused) {
  EXPECT_THAT(text_of(ErrorKind::kUsage, [&] { write_au_file(dir_ / "a.txt", curve()); }),
              HasSubstr("ends in '.txt'; .csv, .json or .npy is needed"));
  EXPECT_THAT(text_of(ErrorKind::kUsage, [&] { read_au_file("a.txt", kNames); }), HasSubstr("ends in '.txt'"));
}

}  // namespace
}  // namespace emo
