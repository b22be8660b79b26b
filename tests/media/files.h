#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/error.h"
#include "engine/media/media.h"

namespace emo {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(EMO_SOURCE_DIR "/tests/media/fixtures") / name;
}

/// A folder for one test, removed with it.
class Folder {
 public:
  Folder() : path_(std::filesystem::path(testing::TempDir()) / ("emo_media_test." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// `count` bytes of a number, lowest first.
inline std::string little(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += char(value >> 8 * i & 0xFF);
  return bytes;
}

/// The text of the Error(kInput) that this throws. Nothing may go to stderr: one line is the promise.
template <typename Call>
std::string input_error(Call call) {
  testing::internal::CaptureStderr();
  std::string text = "no error";
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    text = e.what();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(text.find('\n'), text.npos);
  return text;
}

}  // namespace emo
