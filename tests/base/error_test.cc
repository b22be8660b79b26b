#include "base/error.h"

#include <gtest/gtest.h>

#include "base/shape.h"
#include "tests/throws.h"

namespace emo {
namespace {

TEST(Error, FailJoinsItsPartsAndKeepsTheKind) {
  EXPECT_EQ(text_of(ErrorKind::kDevice,
                    [] {
                      fail(ErrorKind::kDevice, "plane ", Shape{1, 2, 3, 4}, " of ", 7);
                    }),
            "plane (1,2,3,4) of 7");
}

TEST(Error, CheckThrowsOnlyWhenItsConditionFails) {
  const auto checked = [](int n) { EMO_CHECK(n > 1, "n is ", n, "; 2 or more is needed"); };
  EXPECT_NO_THROW(checked(2));
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { checked(1); }), "n is 1; 2 or more is needed");
}

TEST(Error, TextOfAFileStaysOnOneShortLine) {
  EXPECT_EQ(printable("main.0.weight"), "main.0.weight");
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f\xc3\xa9"), "a?b?[31m???");
  EXPECT_EQ(printable(std::string(500, 'x')), std::string(100, 'x') + "...");
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
}

}  // namespace
}  // namespace emo
