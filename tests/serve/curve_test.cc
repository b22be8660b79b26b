#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/refused.h"
#include "tools/emoengine/serve/inputs.h"

namespace emo::serve {
namespace {

AuCurve read(const std::string& text) { return read_curve(text, {"AU06", "AU12"}, 25); }

TEST(Curve, JsonAndTablesGiveTheSame) {
  const AuCurve json = read(R"({"fps": 10, "rows": [[0, 0.5], {"AU12": 1}]})");
  const AuCurve table = read("timestamp,AU06,AU12\n0,0,0.5\n0.1,0,1\n");
  EXPECT_EQ(json.times_s, (std::vector<double>{0, 0.1}));
  EXPECT_EQ(table.times_s, json.times_s);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(table.row(i).values(), json.row(i).values());
}

TEST(Curve, WhatIsTooLargeIsRefusedBeforeItIsRead) {
  std::string table = "AU12\n", rows = "{}";
  for (int i = 0; i < 150'000; ++i) table += "1\n";
  EXPECT_EQ(refused([&] { read(table); }), "400 `curve`: 150001 rows came; at most 144000 are taken");
  for (int i = 0; i < 144'000; ++i) rows += ",{}";
  EXPECT_EQ(refused([&] { read("{\"rows\":[" + rows + "]}"); }), "400 `curve`: 144001 rows came; at most 144000 are taken");
  EXPECT_EQ(refused([&] { read("AU12\n" + std::string(70'000, ',')); }),
            "400 `curve`: a line of 70000 bytes came; at most 65536 are taken");
  EXPECT_THAT(refused([&] { read(std::string(17 << 20, ' ') + "x"); }),
              testing::StartsWith("413 `curve`: a table of 17825793"));
}

}  // namespace
}  // namespace emo::serve
