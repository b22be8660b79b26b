#include "base/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

using testing::HasSubstr;

std::string header(const std::string& dict, const std::string& data) {
  std::string text("\x93NUMPY\1\0", 8);
  text += char(dict.size() & 0xff);
  text += char(dict.size() >> 8);
  return text + dict + data;
}

TEST(Npy, ReadsBackWhatItWrote) {
  const TempDir dir;
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{}, {0}, {7}, {2, 3}, {1, 3, 1, 2}}) {
    std::size_t count = 1;
    for (const auto n : shape) count *= std::size_t(n);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.1f * float(i) - 1;
    write_npy(dir / "a.npy", shape, values);
    const auto back = read_npy(dir / "a.npy");
    EXPECT_EQ(back.shape, shape);
    EXPECT_EQ(back.values, values);
  }
}

TEST(Npy, DataStartsAtAMultipleOf64Bytes) {
  const TempDir dir;
  write_npy(dir / "a.npy", std::vector<std::int64_t>{3}, std::vector<float>{1, 2, 3});
  EXPECT_EQ((std::filesystem::file_size(dir / "a.npy") - 12) % 64, 0u);
}

TEST(Npy, DoublesAreRead) {
  const TempDir dir;
  const double values[] = {0.5, -2};
  std::ofstream(dir / "a.npy", std::ios::binary)
      << header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n",
                std::string(reinterpret_cast<const char*>(values), sizeof values));
  EXPECT_THAT(read_npy(dir / "a.npy").values, testing::ElementsAre(0.5f, -2.f));
}

TEST(Npy, WrongFilesSayWhy) {
  const TempDir dir;
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(dir / "a.npy", std::ios::binary) << bytes;
    return text_of(ErrorKind::kInput, [&] { read_npy(dir / "a.npy"); });
  };
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  EXPECT_THAT(refused("not an array at all"), HasSubstr("a.npy: is no .npy file"));
  EXPECT_THAT(refused(std::string("\x93NUMPY\4\0\0\0\0\0", 12)), HasSubstr("has .npy version 4"));
  EXPECT_THAT(refused(std::string("\x93NUMPY\1\0\xff\xff{}", 12)), HasSubstr("is cut off in its header"));
  EXPECT_THAT(refused(header("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }\n", "12345678")),
              HasSubstr("type '<i4'"));
  EXPECT_THAT(refused(header("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n", "12345678")),
              HasSubstr("Fortran order"));
  EXPECT_THAT(refused(header("{'descr': '<f4', 'fortran_order': False, }\n", "")), HasSubstr("has no shape"));
  EXPECT_THAT(refused(header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,x), }\n", "")),
              HasSubstr("cannot be read"));
  EXPECT_THAT(
      refused(header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,4294967296), }\n", "")),
      HasSubstr("cannot be read"));
  EXPECT_THAT(refused(header(good, "1234567")), HasSubstr("holds 7 bytes of data; its shape needs 2 values of 4 bytes"));
}

}  // namespace
}  // namespace emo
