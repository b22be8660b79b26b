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

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kNames = {"AU01", "AU12", "AU45"};

AuCurve curve() {
  AuCurve curve(kNames, {0, 1 / 25.0, 2 / 25.0, 3 / 25.0, 4 / 25.0});
  for (std::size_t i = 0; i < 5; ++i) {
    curve.set_row(i, {kNames, std::vector<float>{0.1f * float(i), 1.f, 0.12345f}});
  }
  return curve;
}

class AuFile : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return dir_ / name;
  }
  struct Table {
    AuCurve curve;
    std::vector<std::string> notes;
  };
  /// The table, with the folder left out of its notes.
  Table read(const std::string& text, const AuFileOptions& options = {}) {
    Table table;
    table.curve = read_au_file(write("t.csv", text), kNames, options, &table.notes);
    for (auto& note : table.notes) note.erase(0, dir_.string().size() + 1);
    return table;
  }
  std::vector<float> column(const AuCurve& curve, const std::string& name) {
    std::vector<float> values;
    for (std::size_t i = 0; i < curve.rows(); ++i) values.push_back(curve.row(i).get(name));
    return values;
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
    ASSERT_EQ(back.rows(), 5u) << name;
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(back.times_s[i], curve().times_s[i], 1e-9) << name;
      // Half a step of the four decimals of a value of 0..5.
      for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(back.row(i).values()[k], curve().row(i).values()[k], 1.01e-5) << name;
    }
  }
}

TEST_F(AuFile, OpenFacesOwnTableIsRead) {
  const auto path = write("o.csv",
                          "frame, face_id, timestamp, confidence, success, pose_Tx, AU45_r, AU12_r, AU01_r, AU01_c\r\n"
                          "1, 0, 0.000, 0.98, 1, -3.1, 0.5, 2.5, 5.00, 1.00\r\n");
  const AuCurve curve = read_au_file(path, kNames);
  ASSERT_EQ(curve.rows(), 1u);
  EXPECT_THAT(curve.row(0).values(), ElementsAre(1.f, 0.5f, 0.1f));
}

TEST_F(AuFile, OpenFacesTableOfAPictureIsRead) {
  const auto table = read("face, confidence, gaze_0_x, AU01_r, AU12_r, AU45_r, AU45_c\n0, 0.925, 0.1, 1.00, 2.50, 0, 0\n");
  ASSERT_EQ(table.curve.rows(), 1u);
  EXPECT_EQ(table.curve.times_s[0], 0);
  EXPECT_THAT(table.curve.row(0).values(), ElementsAre(0.2f, 0.5f, 0.f));
  EXPECT_THAT(table.notes, ElementsAre());
}

TEST_F(AuFile, QuotesAndRowNumbersAsRWritesThemAreRead) {
  const std::string head = R"("frame","timestamp","input","AU01_r","AU12_r","AU45_r")"
                           "\r\n";
  const std::string rows = R"(1,0,"clips, old/a.mp4",0.5,"2.5",NA)"
                           "\r\n"
                           R"(2,0.04,"b",1,5,5)"
                           "\r\n";
  const std::string numbered = R"("1",1,0,"a",0.5,2.5,5)"
                               "\r\n"
                               R"("2",2,0.04,"b",1,5,5)"
                               "\r\n";
  for (const std::string& text : {head + rows, R"("",)" + head + numbered, head + numbered}) {  // write.csv, write.table
    const auto table = read(text);
    ASSERT_EQ(table.curve.rows(), 2u);
    EXPECT_THAT(table.curve.row(0).values(), ElementsAre(0.1f, 0.5f, 1.f));
    EXPECT_EQ(table.curve.times_s[1], 0.04);
  }
}

TEST_F(AuFile, ValuesALittleOutsideAreClamped) {
  const auto table = read("timestamp,AU01_r,AU12_r,AU45_r\n0,-0.01,5.04,5.5\n");
  EXPECT_THAT(table.curve.row(0).values(), ElementsAre(0.f, 1.f, 1.f));
}

TEST_F(AuFile, GapsAndFailedFramesAreFilledInAlongALine) {
  const auto table = read(
      "frame,timestamp,success,AU01_r,AU12_r,AU45_r\n"
      "1,0.0,0,0,0,0\n"
      "2,0.1,1,1,2,5\n"
      "3,0.2,0,0,0,0\n"
      "4,0.3,1,nan,2,5\n"
      "5,0.5,1,5,2,\n");
  EXPECT_THAT(column(table.curve, "AU01"), ElementsAre(0.2f, 0.2f, 0.4f, 0.6f, 1.f));
  EXPECT_THAT(column(table.curve, "AU12"), ElementsAre(0.4f, 0.4f, 0.4f, 0.4f, 0.4f));
  EXPECT_THAT(column(table.curve, "AU45"), ElementsAre(1.f, 1.f, 1.f, 1.f, 1.f));
  EXPECT_THAT(table.notes, ElementsAre("t.csv: 4 of 5 rows are without a face or a value; filled in from those around"));
  EXPECT_THAT(refused("a.csv", "timestamp,success,AU01_r\n0,0,0\n1,0,0\n"),
              HasSubstr("a.csv: has no value of AU01 in any row where a face was tracked"));
}

TEST_F(AuFile, OneFaceOfSeveralIsChosen) {
  const std::string text =
      "frame,face_id,timestamp,success,AU01_r,AU12_r,AU45_r\n"
      "1,0,0.00,1,1,1,1\n1,1,0.00,1,4,4,4\n2,0,0.04,1,2,2,2\n2,1,0.04,1,5,5,5\n";
  EXPECT_THAT(refused("a.csv", text), HasSubstr("a.csv: holds the faces 0, 1; choose one, for example with `au_face` 0"));
  EXPECT_THAT(column(read(text, {.face = "0"}).curve, "AU01"), ElementsAre(0.2f, 0.4f));
  EXPECT_THAT(column(read(text, {.face = "1"}).curve, "AU01"), ElementsAre(0.8f, 1.f));
  const auto wrong = [&](const std::string& table, const std::string& face) {
    return text_of(ErrorKind::kInput, [&] { read(table, {.face = face}); });
  };
  EXPECT_THAT(wrong(text, "7"), HasSubstr("t.csv: has no face 7, only 0, 1"));
  EXPECT_THAT(wrong("timestamp,AU01_r\n0,0\n", "7"), HasSubstr("t.csv: has no face 7; it does not say whose its rows are"));
}

TEST_F(AuFile, PyFeatsTableIsRead) {
  const auto table = read(
      "FaceRectX,FaceScore,AU01,AU11,AU12,AU43,anger,input,frame\n"
      "1.5,0.99,0.25,0.1,0.5,1.0,0.1,a.mp4,10\n"
      ",,,,,,,a.mp4,12\n"
      "1.5,0.99,0.75,0.1,0.5,0.0,0.1,a.mp4,14\n",
      {.fps = 20});
  EXPECT_THAT(table.curve.times_s, ElementsAre(0., 0.1, 0.2));
  EXPECT_THAT(column(table.curve, "AU01"), ElementsAre(0.25f, 0.5f, 0.75f));
  EXPECT_THAT(column(table.curve, "AU45"), ElementsAre(1.f, 0.5f, 0.f));
  EXPECT_THAT(table.notes, ElementsAre("t.csv: AU11 left out, which the model does not know",
                                       "t.csv: 1 of 3 rows are without a face or a value; filled in from those around"));
}

TEST_F(AuFile, MissingActionUnitsAreZeroAndSaidSo) {
  const auto table = read("AU12_r\n5\n2.5\n", {.fps = 10});
  EXPECT_THAT(table.curve.times_s, ElementsAre(0., 0.1));  // rows are frames where nothing says when
  EXPECT_THAT(column(table.curve, "AU12"), ElementsAre(1.f, 0.5f));
  EXPECT_THAT(column(table.curve, "AU45"), ElementsAre(0.f, 0.f));
  EXPECT_THAT(table.notes, ElementsAre("t.csv: lacks AU01, AU45, taken as 0"));
  const auto path = write("a.json", R"({"au_names":["AU12","AU99"],"rows":[{"timestamp":0,"au":[1,null]}]})");
  EXPECT_THAT(read_au_file(path, kNames).row(0).values(), ElementsAre(0.f, 1.f, 0.f));
}

TEST_F(AuFile, WrongTablesSayWhereAndWhat) {
  const std::string head = "timestamp,AU01_r,AU12_r,AU45_r\n";
  EXPECT_THAT(refused("a.csv", "frame,x\n1,2\n"),
              HasSubstr("a.csv: has none of the model's action units; columns such as AU12_r (0 to 5) or AU12 (0 to 1) are "
                        "needed"));
  EXPECT_THAT(refused("a.csv", "timestamp;AU01_r\n0;0\n"), HasSubstr("commas between the columns are needed"));
  EXPECT_THAT(refused("a.csv", "timestamp,AU01_r,AU12_r,AU45_r,AU12_r\n0,0,0,0,0\n"), HasSubstr("has AU12 twice"));
  EXPECT_THAT(refused("a.csv", "timestamp,AU12_r,timestamp\n0,0,0\n"), HasSubstr("has the column 'timestamp' twice"));
  EXPECT_THAT(refused("a.csv", head), HasSubstr("has no rows"));
  EXPECT_THAT(refused("a.csv", head + "0,0,0\n"), HasSubstr("line 2 has 3 fields; the header has 4"));
  EXPECT_THAT(refused("a.csv", head + "0,0,x,0\n"), HasSubstr("line 2: AU12_r is 'x'; a number is needed"));
  EXPECT_THAT(refused("a.csv", head + "nan,0,0,0\n"), HasSubstr("line 2: timestamp is 'nan'; a number is needed"));
  EXPECT_THAT(refused("a.csv", head + "0,0,50,0\n"), HasSubstr("line 2: AU12 is 50; 0 to 5 is needed"));
  EXPECT_THAT(refused("a.csv", head + "0,0,-0.6,0\n"), HasSubstr("line 2: AU12 is -0.6; 0 to 5 is needed"));
  EXPECT_THAT(refused("a.csv", head + "1,0,0,0\n0,0,0,0\n"),
              HasSubstr("line 3: the time 0 does not come after 1; sort the rows by time"));
  EXPECT_THAT(
      refused("a.csv", head + "1,0,0,0\n1,0,0,0\n"),
      HasSubstr("line 3: the time 1 comes a second time; one row a time is needed. Tables of several faces say whose "
                "a row is in a column 'face_id'"));
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
