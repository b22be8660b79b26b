#include "tools/emoengine/serve/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/refused.h"

namespace emo::serve {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=b";

std::string part(const std::string& head, const std::string& content) {
  return "--b\r\n" + head + "\r\n\r\n" + content + "\r\n";
}
std::string field(const std::string& name, const std::string& content) {
  return part("Content-Disposition: form-data; name=\"" + name + "\"", content);
}

TEST(Multipart, ContentsComeAsTheyWereSent) {
  const std::string bytes("\0\r\n--\r\nb\xFF", 9);
  const std::string body = field("image", bytes) + field("face", "all") + "--b--\r\n";
  const Form form(kType, body);
  EXPECT_EQ(form.needed("image"), bytes);
  EXPECT_EQ(form.text("face"), "all");
  EXPECT_EQ(form.text("passes"), "");
}

TEST(Multipart, HeadersAreReadInAnyCaseAndQuoting) {
  const std::string body =
      part("content-type: image/png\r\nCONTENT-DISPOSITION: form-data; filename=\"a;\\\"b.png\"; NAME=image", "x") + "--b--";
  const Form form("Multipart/Form-Data; charset=utf-8; boundary=\"b\"", body);
  ASSERT_TRUE(form.find("image"));
  EXPECT_EQ(form.find("image")->filename, "a;\"b.png");
}

TEST(Multipart, WhatStandsBeforeAndBehindIsLeftOut) {
  const std::string body = "a preface\r\n" + field("aus", "{}") + "--b--\r\nan epilogue";
  EXPECT_EQ(Form(kType, body).needed("aus"), "{}");
}

TEST(Multipart, AFormWithoutFieldsIsEmpty) { EXPECT_TRUE(Form(kType, "--b--\r\n").parts().empty()); }

TEST(Multipart, OtherTypesAreRefused) {
  for (const char* type : {"", "application/json", "multipart/form-data", "multipart/mixed; boundary=b"}) {
    EXPECT_THAT(refused([&] { Form(type, "--b--"); }), testing::StartsWith("415 Content-Type: '")) << type;
  }
}

TEST(Multipart, DamageIsSaid) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "400 form: the body does not hold the boundary that Content-Type names"},
      {"--bx", "400 form: a boundary is not followed by a line break"},
      {"--b\r\n", "400 form: the last part has no end; the body was cut"},
      {field("a", "x"), "400 form: the last part has no end; the body was cut"},
      {"--b\r\nContent-Disposition: form-data; name=a\r\n--b--", "400 form: a part has no end of its headers"},
      {part("Content-Type: text/plain", "x") + "--b--",
       "400 form: a part has no name; Content-Disposition: form-data; name=\"...\" is needed"},
      {field("a", "x") + field("a", "y") + "--b--", "400 form: `a` came twice"},
  };
  for (const auto& [body, text] : cases) {
    EXPECT_EQ(refused([body = body] { Form(kType, body); }), text) << body;
  }
}

TEST(Multipart, APartsHeadersAreOfLimitedLength) {
  const std::string body = part("X: " + std::string(20'000, '\n'), "x") + "--b--";
  EXPECT_EQ(refused([&] { Form(kType, body); }), "400 form: a part's headers are of 20003 bytes; at most 16384 are taken");
}

TEST(Multipart, FieldsAreCounted) {
  std::string body;
  for (int i = 0; i < 33; ++i) body += field("f" + std::to_string(i), "x");
  EXPECT_EQ(refused([&] { Form(kType, body + "--b--"); }), "400 form: more than 32 fields came");
}

TEST(Multipart, NumbersAreChecked) {
  const std::string body = field("passes", " 3 ") + field("fps", "1e999") + "--b--";
  const Form form(kType, body);
  EXPECT_EQ(form.number("passes", 1, 1, 8), 3);
  EXPECT_EQ(form.number("intensity", 1, 0, 10), 1);
  EXPECT_EQ(refused([&] { form.number("fps", 25, 1, 60); }), "400 `fps`: '1e999' came; a number from 1 to 60 is needed");
  EXPECT_EQ(refused([&] { form.number("passes", 1, 1, 2); }), "400 `passes`: ' 3 ' came; a number from 1 to 2 is needed");
  EXPECT_EQ(refused([&] { form.only({"passes"}); }), "400 form: `fps` is no field of this request; `passes` are");
}

TEST(Http, PercentSignsAreDecoded) {
  std::string text;
  EXPECT_TRUE(percent_decode("/%C3%A9+%2f", text));
  EXPECT_EQ(text, "/\xC3\xA9+/");
  for (const char* bad : {"%", "%1", "%zz", "%00", "a%2"}) EXPECT_FALSE(percent_decode(bad, text)) << bad;
  EXPECT_EQ(parse_query("a=1+2&b&a%3D=%26"), (std::map<std::string, std::string>{{"a", "1 2"}, {"a=", "&"}, {"b", ""}}));
}

}  // namespace
}  // namespace emo::serve
