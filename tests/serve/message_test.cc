#include "tools/emoengine/serve/message.h"

#include <gtest/gtest.h>

#include "tests/serve/refused.h"

namespace emo::serve {
namespace {

TEST(Message, HeaderAndPayloadComeBack) {
  const std::string payload("\0\xFF{", 3), message = binary_message({{"type", "pcm"}, {"id", 5}}, payload);
  EXPECT_EQ(message.substr(0, 4), std::string("\x15\0\0\0", 4));
  std::string_view came;
  EXPECT_EQ(read_message(false, message, came)["type"], "pcm");
  EXPECT_EQ(came, payload);
}

TEST(Message, LengthsThatDoNotFitAreSaid) {
  std::string_view payload;
  EXPECT_EQ(refused([&] { read_message(false, "abc", payload); }),
            "400 message: 3 bytes came; a length of 4 and a header are needed");
  EXPECT_EQ(refused([&] { read_message(false, std::string("\x03\0\0\x80{}", 6), payload); }),
            "400 message: its header is to have 2147483651 bytes, but 2 follow");
}

TEST(Message, HeadersAreSmallObjects) {
  std::string_view payload;
  EXPECT_EQ(refused([&] { read_message(true, "[]", payload); }), "400 message: a JSON object with \"type\" is needed");
  EXPECT_EQ(refused([&] { read_message(true, std::string(70'000, ' '), payload); }),
            "400 message: its header has 70000 bytes; at most 65536 are taken");
}

}  // namespace
}  // namespace emo::serve
