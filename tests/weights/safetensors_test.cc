#include "weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::StartsWith;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// A file with this header and this many bytes of data.
std::string file_with(const std::string& header, std::size_t data_bytes = 0) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + std::string(data_bytes, '\1');
}

/// What is said of a file named "f" with these bytes.
std::string text_of_file(const std::string& file, std::size_t max_tensors = limits::kMaxTensors) {
  return text_of(ErrorKind::kModel, [&] { SafeTensors(bytes_of(file), "f", max_tensors); });
}

std::string text_of_header(const std::string& header, std::size_t data_bytes = 0) {
  return text_of_file(file_with(header, data_bytes));
}

/// The header's entry of one tensor.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string text_of_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets,
                           std::size_t data_bytes = 8) {
  return text_of_header("{" + entry("a", dtype, shape, offsets) + "}", data_bytes);
}

TEST(SafeTensors, ReadsWhatAnotherWriterWrites) {
  // Order, spaces and padding are the writer's choice; a scalar has an empty shape.
  const std::string file = file_with("{" + entry("b", "F32", "[]", "[6,10]") + ",\n \"__metadata__\":{\"k\":\"v\"}, " +
                                         entry("a", "F16", "[1,3]", "[0,6]") + "}   ",
                                     10);
  const SafeTensors tensors(bytes_of(file), "f");
  ASSERT_EQ(tensors.tensors().size(), 2u);
  EXPECT_THAT(tensors.metadata(), ElementsAre(Pair("k", "v")));
  EXPECT_EQ(tensors.at("a").dtype, DType::kF16);
  EXPECT_THAT(tensors.at("a").shape, ElementsAre(1, 3));
  EXPECT_EQ(tensors.at("a").count(), 3u);
  EXPECT_EQ(tensors.at("b").bytes.data(), tensors.at("a").bytes.data() + 6);
  EXPECT_TRUE(tensors.at("b").shape.empty());
  EXPECT_EQ(tensors.at("b").count(), 1u);
}

TEST(SafeTensors, EveryHalfHasItsValue) {
  std::vector<std::uint16_t> halves;
  for (int i = 0; i < 0x10000; ++i) {
    if ((i & 0x7c00) != 0x7c00 || (i & 0x3ff) == 0) halves.push_back(std::uint16_t(i));  // not NaN, which equals nothing
  }
  const TempDir dir;
  const std::vector<std::int64_t> shape{std::int64_t(halves.size())};
  write_safetensors(dir / "f", {{"all", {DType::kF16, shape, std::as_bytes(std::span(halves))}}}, {});
  const auto values = SafeTensors(dir / "f").floats("all", shape);
  for (std::size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(values[i], half_to_float(halves[i])) << halves[i];
}

TEST(SafeTensors, WrittenFilesComeBack) {
  TempDir dir;
  const std::vector<float> weights = {1, -2.5f, 3e-9f, 4, 5, 6};
  const std::vector<std::uint16_t> halves = {0x3c00, 0xc000, 0x0001};
  const std::map<std::string, RawTensor> tensors = {{"z.weight", {DType::kF32, {2, 3}, std::as_bytes(std::span(weights))}},
                                                    {"a.bias", {DType::kF16, {3}, std::as_bytes(std::span(halves))}}};
  const std::map<std::string, std::string> metadata = {{"emoengine", "{\"kind\": \"\\u00fc\"}"}, {"other", ""}};
  write_safetensors(dir / "m.safetensors", tensors, metadata);

  const SafeTensors back(dir / "m.safetensors");
  EXPECT_EQ(back.name(), (dir / "m.safetensors").string());
  EXPECT_EQ(back.metadata(), metadata);
  EXPECT_EQ(back.floats("z.weight", tensors.at("z.weight").shape), weights);
  EXPECT_THAT(back.floats("a.bias", tensors.at("a.bias").shape), ElementsAre(1, -2, 0x1p-24f));
  EXPECT_EQ(back.tensors().size(), 2u);
  // The first tensor's bytes follow the header, which is padded so that they are aligned in the mapping.
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(back.at("a.bias").bytes.data()) % 8, 0u);
  EXPECT_EQ(dir.count(), 1u);
}

TEST(SafeTensors, FileWithoutTensorsIsOne) {
  TempDir dir;
  write_safetensors(dir / "m", {}, {});
  EXPECT_TRUE(SafeTensors(dir / "m").tensors().empty());
}

TEST(SafeTensors, FloatsAreReadFromEveryFloatingType) {
  const double f64[] = {0.1, -1e300};
  const float f32[] = {0.1f, -0.f};
  const std::uint16_t f16[] = {0x3555, 0xfbff}, bf16[] = {0x3eab, 0xff7f};
  TempDir dir;
  write_safetensors(dir / "m",
                    {{"f64", {DType::kF64, {2}, std::as_bytes(std::span(f64))}},
                     {"f32", {DType::kF32, {2}, std::as_bytes(std::span(f32))}},
                     {"f16", {DType::kF16, {2}, std::as_bytes(std::span(f16))}},
                     {"bf16", {DType::kBF16, {2}, std::as_bytes(std::span(bf16))}}},
                    {});
  const SafeTensors tensors(dir / "m");
  const std::vector<std::int64_t> shape = {2};
  EXPECT_THAT(tensors.floats("f64", shape), ElementsAre(0.1f, -INFINITY));
  EXPECT_THAT(tensors.floats("f32", shape), ElementsAre(0.1f, -0.f));
  EXPECT_THAT(tensors.floats("f16", shape), ElementsAre(0.333251953125f, -65504.f));
  EXPECT_THAT(tensors.floats("bf16", shape), ElementsAre(0.333984375f, -0x1.fep127f));
}

TEST(SafeTensors, FloatsAreReadFromAnyAddress) {
  // A header of odd length puts the data at an odd address.
  std::string header = "{" + entry("a", "F32", "[1]", "[0,4]") + "}";
  if (header.size() % 2 == 0) header += ' ';
  std::string file = file_with(header, 4);
  const float value = 0.75f;
  std::memcpy(file.data() + file.size() - 4, &value, 4);
  EXPECT_THAT(SafeTensors(bytes_of(file), "f").floats("a", std::vector<std::int64_t>{1}), ElementsAre(0.75f));
}

TEST(SafeTensors, BytesOfOthersAreLeftAsTheyAre) {
  const std::string file = file_with("{" + entry("a", "F32", "[5000]", "[0,20000]") + "}", 20'000);  // holds whole pages
  const SafeTensors tensors(bytes_of(file), "f");
  const std::vector<std::int64_t> shape = {5000};
  const auto first = tensors.floats("a", shape);
  EXPECT_NE(first[2500], 0);
  EXPECT_EQ(tensors.floats("a", shape), first);
}

TEST(SafeTensors, LookUpsNameTheFileAndTheTensor) {
  const std::string file =
      file_with("{" + entry("a", "F32", "[2,1]", "[0,8]") + "," + entry("n", "I64", "[1]", "[8,16]") + "}", 16);
  const SafeTensors tensors(bytes_of(file), "f");
  const auto floats = [&](const char* name, std::vector<std::int64_t> shape) {
    return text_of(ErrorKind::kModel, [&] { tensors.floats(name, shape); });
  };
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { tensors.at("b"); }), "f: has no tensor b");
  EXPECT_EQ(floats("b", {1}), "f: has no tensor b");
  EXPECT_EQ(floats("a", {1, 2}), "f: a has shape (2,1); (1,2) is needed");
  EXPECT_EQ(floats("n", {1}), "f: n is I64; a floating type is needed");
}

TEST(SafeTensors, TruncatedFileNamesTheTensor) {
  const std::string file = file_with("{" + entry("main.3.weight", "F32", "[2]", "[0,8]") + "}", 7);
  EXPECT_EQ(text_of_file(file),
            "f: main.3.weight ends at byte 8 of the data and the file holds 7: it is truncated. Copy or download it again");
}

TEST(SafeTensors, EveryTruncationIsRefused) {
  const std::string file = file_with("{" + entry("a", "F32", "[2]", "[0,8]") + "}", 8);
  EXPECT_EQ(text_of_file(file), "(no error)");
  for (std::size_t n = 0; n < file.size(); ++n) EXPECT_THAT(text_of_file(file.substr(0, n)), StartsWith("f: ")) << n;
}

TEST(SafeTensors, HeaderLengthIsChecked) {
  EXPECT_EQ(text_of_file("1234567"), "f: has 7 bytes; a safetensors file begins with 8 bytes of header length");
  EXPECT_EQ(text_of_file(std::string(8, '\xff')),
            "f: is not a safetensors file, or claims a header of 18446744073709551615 bytes; at most 1048576 are read. "
            "emoengine convert makes weight files");
  EXPECT_EQ(text_of_file(file_with("{" + std::string(1 << 20, ' ') + "}")),
            "f: is not a safetensors file, or claims a header of 1048578 bytes; at most 1048576 are read. emoengine convert "
            "makes weight files");
  EXPECT_EQ(text_of_file(file_with("{}        ").substr(0, 12)),
            "f: has a header of 10 bytes and the file ends after 4 of them: it is truncated. Copy or download it again");
  EXPECT_EQ(text_of_header(""), "f: is not a safetensors file: its header does not begin with '{'");
  EXPECT_EQ(text_of_header(" {}"), "f: is not a safetensors file: its header does not begin with '{'");
}

TEST(SafeTensors, HeaderIsStrictJson) {
  EXPECT_THAT(text_of_header("{"), StartsWith("f: header: is not valid JSON: parse error at line 1, column 2: "));
  EXPECT_THAT(text_of_header("{} x"), StartsWith("f: header: is not valid JSON: parse error at line 1, column 4: "));
  EXPECT_THAT(text_of_header("{\"\xff\":1}"), StartsWith("f: header: is not valid JSON: parse error at line 1, column 3: "));
  EXPECT_THAT(text_of_header("{/**/}"), StartsWith("f: header: is not valid JSON: parse error at line 1, column 2: "));
  EXPECT_THAT(text_of_header("{\"a\":1e999}"), StartsWith("f: header: is not valid JSON: number overflow parsing '1e999'"));
  EXPECT_EQ(text_of_header(std::string("{}\0{", 4)), "f: header: is not valid JSON: NUL byte at 2");
}

TEST(SafeTensors, DuplicateKeysAreRefusedAtAnyDepth) {
  EXPECT_EQ(text_of_header("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("a", "U8", "[1]", "[0,1]") + "}", 1),
            "f: header: key 'a' stands there twice");
  EXPECT_EQ(text_of_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"shape":[1]}})", 1),
            "f: header: key 'shape' stands there twice");
  EXPECT_EQ(text_of_header(R"({"__metadata__":{"\u0061":"1","a":"2"}})"), "f: header: key 'a' stands there twice");
}

TEST(SafeTensors, DeepNestingIsRefused) {
  // 31 lists in the outer object are let through by the depth rule, and one more is not.
  const auto nested = [](int n) { return "{\"a\":" + std::string(n, '[') + std::string(n, ']') + "}"; };
  EXPECT_EQ(text_of_header(nested(31)), "f: a is not a JSON object with dtype, shape and data_offsets");
  EXPECT_EQ(text_of_header(nested(32)), "f: header: JSON is nested deeper than 32");
  EXPECT_EQ(text_of_header("{\"a\":" + std::string(500'000, '[')), "f: header: JSON is nested deeper than 32");
}

TEST(SafeTensors, TooManyTensorsAreRefused) {
  const std::string file = file_with(
      "{\"__metadata__\":{}," + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[1,2]") + "}", 2);
  EXPECT_EQ(text_of_file(file, 2), "(no error)");
  EXPECT_EQ(text_of_file(file, 1), "f: holds 2 tensors; at most 1 are read. Raise `max_tensors`");
}

TEST(SafeTensors, MetadataMapsStringsToStrings) {
  EXPECT_EQ(text_of_header(R"({"__metadata__":[]})"), "f: __metadata__ is not a JSON object");
  EXPECT_EQ(text_of_header(R"({"__metadata__":{"step":7}})"), "f: __metadata__ 'step' is not a string");
}

TEST(SafeTensors, EntriesHaveTheirThreeKeysAndNoOther) {
  EXPECT_EQ(text_of_header(R"({"a":[]})"), "f: a is not a JSON object with dtype, shape and data_offsets");
  EXPECT_EQ(text_of_header(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), "f: a has no dtype");
  EXPECT_EQ(text_of_header(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "f: a has no shape");
  EXPECT_EQ(text_of_header(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "f: a has no data_offsets");
  EXPECT_EQ(text_of_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]}})", 1),
            "f: a has an unknown key 'strides'");
}

TEST(SafeTensors, DtypeIsOneOfOurs) {
  EXPECT_EQ(text_of_tensor("F8_E4M3", "[8]", "[0,8]"),
            "f: a has dtype \"F8_E4M3\"; F64, F32, F16, BF16, I64, I32 or U8 is needed");
  EXPECT_EQ(text_of_header(R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1),
            "f: a has dtype 3; F64, F32, F16, BF16, I64, I32 or U8 is needed");
}

TEST(SafeTensors, ShapeIsAListOfPositiveWholeNumbers) {
  EXPECT_EQ(text_of_tensor("U8", "8", "[0,8]"), "f: a has shape 8; a list of at most 8 numbers is needed");
  EXPECT_EQ(text_of_tensor("U8", "[1,1,1,1,1,1,1,8]", "[0,8]"), "(no error)");
  EXPECT_EQ(text_of_tensor("U8", "[1,1,1,1,1,1,1,1,8]", "[0,8]"),
            "f: a has shape [1,1,1,1,1,1,1,1,8]; a list of at most 8 numbers is needed");
  for (const char* extent : {"-8", "8.0", "\"8\"", "null", "18446744073709551615", "1e1"}) {
    EXPECT_THAT(text_of_tensor("U8", "[" + std::string(extent) + "]", "[0,8]"),
                ::testing::MatchesRegex("f: a has .* in its shape; whole numbers from 0 to 2\\^63 - 1 are needed"));
  }
  EXPECT_EQ(text_of_tensor("U8", "[3,0]", "[0,0]", 0), "f: a has shape (3,0), no elements; every extent must be 1 or more");
}

TEST(SafeTensors, SizesThatOverflowAreRefused) {
  EXPECT_EQ(text_of_tensor("U8", "[4294967296,4294967296]", "[0,0]"),
            "f: a has shape [4294967296,4294967296]; its size overflows 64 bits");
  EXPECT_EQ(text_of_tensor("F64", "[1152921504606846976]", "[0,0]"),
            "f: a has shape [1152921504606846976]; its size overflows 64 bits");
}

TEST(SafeTensors, ByteRangeIsThatOfShapeAndDtype) {
  EXPECT_EQ(text_of_tensor("U8", "[8]", "[0]"), "f: a has data_offsets [0]; a list of begin and end is needed");
  EXPECT_EQ(text_of_tensor("U8", "[8]", "[-1,7]"),
            "f: a has -1 in its data_offsets; whole numbers from 0 to 2^63 - 1 are needed");
  EXPECT_EQ(text_of_tensor("U8", "[8]", "[8,0]"), "f: a begins at byte 8 and ends before it, at 0");
  EXPECT_EQ(text_of_tensor("F32", "[3]", "[0,8]"), "f: a has 8 bytes; F32 (3) takes 12");
}

TEST(SafeTensors, EveryByteBelongsToOneTensor) {
  const auto text = [](const std::string& a, const std::string& b) {
    return text_of_header("{" + entry("a", "U8", "[4]", a) + "," + entry("b", "U8", "[4]", b) + "}", 8);
  };
  EXPECT_EQ(text("[4,8]", "[0,4]"), "(no error)");
  EXPECT_EQ(text("[0,4]", "[3,7]"), "f: b begins at byte 3 of the data and the tensor before it ends at 4: they overlap");
  EXPECT_THAT(text("[0,4]", "[0,4]"), ::testing::HasSubstr("they overlap"));
  EXPECT_EQ(text_of_tensor("U8", "[4]", "[4,8]"),
            "f: a begins at byte 4 of the data and the tensor before it ends at 0: there is a hole between them");
  EXPECT_EQ(text_of_tensor("U8", "[4]", "[0,4]"), "f: 4 bytes after the last tensor belong to none");
}

TEST(SafeTensors, NamesOutOfAHostileFileStayOnOneLine) {
  EXPECT_EQ(text_of_header(R"({"a\n\u001b[2J":1})"), "f: a??[2J is not a JSON object with dtype, shape and data_offsets");
}

TEST(SafeTensors, MissingFileIsNamed) {
  TempDir dir;
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { SafeTensors(dir / "no"); }),
            (dir / "no").string() + ": cannot be opened: No such file or directory. Check the path and its permissions");
}

TEST(SafeTensors, OutputThatCannotBeWrittenIsAnInputError) {
  TempDir dir;
  EXPECT_THAT(text_of(ErrorKind::kInput, [&] { write_safetensors(dir / "no/m", {}, {}); }), StartsWith("output: "));
}

TEST(SafeTensors, ShapesPrintAsTuples) {
  EXPECT_EQ(to_string(std::vector<std::int64_t>{128, 64, 4, 4}), "(128,64,4,4)");
  EXPECT_EQ(to_string(std::vector<std::int64_t>{}), "()");
}

}  // namespace
}  // namespace emo
