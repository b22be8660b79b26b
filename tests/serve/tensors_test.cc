#include "tools/emoengine/serve/tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

#include "tests/serve/refused.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {
namespace {

using testing::ElementsAre;

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string request(const std::string& inputs, const std::string& more = "") {
  return "{\"inputs\":[" + inputs + "]" + more + "}";
}
std::string binary_input(const std::string& shape, const std::string& size) {
  return R"({"name":"x","datatype":"FP32","shape":)" + shape + R"(,"parameters":{"binary_data_size":)" + size + "}}";
}

TEST(Tensors, NestedAndFlatJsonAreTheSame) {
  const std::string start = R"({"name":"x","datatype":"FP32","shape":[2,2],"data":)";
  for (const char* data : {"[1,2,3,4]}", "[[1,2],[3,4]]}", "[[1],[2,[3]],4]}"}) {
    EXPECT_THAT(parse_infer(request(start + data), {}).needed("x", {-1, 2}).values, ElementsAre(1, 2, 3, 4)) << data;
  }
}

TEST(Tensors, BinaryFollowsInTheInputsOrder) {
  const std::string y = R"({"name":"y","datatype":"FP32","shape":[1],"data":[7]})";
  const std::string z = R"({"name":"z","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}})";
  const std::string json = request(binary_input("[2]", "8") + "," + y + "," + z);
  const auto parsed = parse_infer(json + bytes_of({1, 2, 3}), std::to_string(json.size()));
  EXPECT_THAT(parsed.needed("x", {2}).values, ElementsAre(1, 2));
  EXPECT_THAT(parsed.needed("y", {1}).values, ElementsAre(7));
  EXPECT_THAT(parsed.needed("z", {1}).values, ElementsAre(3));
}

TEST(Tensors, SizesMustFitTogether) {
  const std::pair<std::string, const char*> cases[] = {
      {binary_input("[2]", "4"), "400 input 'x': its binary_data_size is 4; shape [2] has 8 bytes"},
      {binary_input("[2]", "8"), "400 input 'x': its binary data are cut off"},
      {binary_input("[0]", "0"), "400 request: 4 bytes follow that belong to no input"},
      {binary_input("[2]", "-8"), "400 input 'x': its binary_data_size is no number of bytes"},
      {binary_input("[-1]", "4"), "400 input 'x': a side of its shape is -1; 0 to 16777216 are taken"},
      {binary_input("[18446744073709551615]", "4"),
       "400 input 'x': a side of its shape is 18446744073709551615; 0 to 16777216 are taken"},
      {binary_input("[65536,65536]", "4"), "400 input 'x': its shape is of more than 16777216 elements"},
      {binary_input("[1,1,1,1,1,1,1,1,1]", "4"), "400 input 'x': an array \"shape\" of at most 8 numbers is needed"},
      {R"({"name":"x","datatype":"FP32","shape":[2],"data":[1]})", "400 input 'x': has 1 data; shape [2] needs 2"},
      {R"({"name":"x","datatype":"FP32","shape":[1],"data":[1,2]})", "400 input 'x': has more data than its shape says, 1"},
      {R"({"name":"x","datatype":"FP32","shape":[1],"data":["1"]})", "400 input 'x': its data are to be numbers"},
      {R"({"name":"x","datatype":"INT8","shape":[1],"data":[1]})", "400 input 'x': its datatype is INT8; FP32 is needed"},
      {R"({"name":"x","datatype":"FP32","shape":[1]})", "400 input 'x': an array \"data\" or a binary_data_size is needed"},
      {R"({"name":"x","datatype":"FP32","shape":[1],"parameters":{"shared_memory_region":"r"}})",
       "400 input 'x': shared memory is not taken; send the tensor itself"},
      {R"({"datatype":"FP32","shape":[1],"data":[1]})", "400 input: a text \"name\" is needed"},
      {"7", "400 request: an input is to be an object"},
  };
  for (const auto& [input, text] : cases) {
    const std::string json = request(input);
    EXPECT_EQ(refused([&] { parse_infer(json + bytes_of({1}), std::to_string(json.size())); }), text) << input;
  }
}

TEST(Tensors, NumbersMustBeFinite) {
  const std::string json = request(binary_input("[1]", "4"));
  const std::string nan("\0\0\xC0\x7F", 4);
  EXPECT_EQ(refused([&] { parse_infer(json + nan, std::to_string(json.size())); }),
            "400 input 'x': holds NaN or infinity; every value must be a number");
}

TEST(Tensors, TheJsonsLengthIsChecked) {
  for (const char* length : {"-1", "x", "99", "1.5", ""}) {
    EXPECT_THAT(refused([&] { parse_infer("{}", length); }), testing::StartsWith("400 Inference-Header-Content-Length: '"))
        << length;
  }
  EXPECT_EQ(refused([] { parse_infer("{}", {}); }), "400 request: an array \"inputs\" is needed");
  EXPECT_THAT(refused([] { parse_infer(std::string(100, '['), {}); }), testing::HasSubstr("JSON is nested deeper than 32"));
}

TEST(Tensors, AnInputThatIsMissingOrOfAnotherShapeIsNamed) {
  const auto parsed = parse_infer(request(R"({"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]})"), {});
  EXPECT_EQ(refused([&] { parsed.needed("y", {1}); }), "400 request: input 'y' is missing");
  EXPECT_EQ(refused([&] { parsed.needed("x", {-1, 3}); }), "400 input 'x': shape [1,2] came; [-1,3] is needed");
  EXPECT_EQ(refused([&] { parsed.needed("x", {2}); }), "400 input 'x': shape [1,2] came; [2] is needed");
}

TEST(Tensors, AnswersAreBinaryWhereItWasAsked) {
  const std::string input = R"({"name":"x","datatype":"FP32","shape":[0],"data":[]})";
  const std::vector<OutputTensor> outputs = {{"a", {2}, {1, 2}}, {"b", {1}, {3}}};
  std::optional<std::size_t> json_bytes;
  const auto all = parse_infer(request(input, R"(,"id":"7","parameters":{"binary_data_output":true})"), {});
  const std::string answer = write_infer("m", all, outputs, json_bytes);
  ASSERT_TRUE(json_bytes);
  EXPECT_EQ(answer.substr(*json_bytes), bytes_of({1, 2, 3}));
  EXPECT_EQ(nlohmann::json::parse(answer.substr(0, *json_bytes))["id"], "7");

  const auto mixed =
      parse_infer(request(input, R"(,"outputs":[{"name":"b","parameters":{"binary_data":true}},{"name":"a"}])"), {});
  const std::string second = write_infer("m", mixed, outputs, json_bytes);
  EXPECT_EQ(second.substr(*json_bytes), bytes_of({3}));
  EXPECT_EQ(nlohmann::json::parse(second.substr(0, *json_bytes))["outputs"][1]["data"], nlohmann::json({1, 2}));

  const auto wrong = parse_infer(request(input, R"(,"outputs":[{"name":"c"}])"), {});
  EXPECT_EQ(refused([&] { write_infer("m", wrong, outputs, json_bytes); }),
            "400 output 'c': the model has none of this name");
}

std::string deflated(const std::string& text) {
  std::string out(::compressBound(uLong(text.size())), '\0');
  uLongf size = uLongf(out.size());
  ::compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()), uLong(text.size()),
              9);
  out.resize(size);
  return out;
}

TEST(Tensors, CompressedBodiesAreBroughtBackUpToTheLimit) {
  EXPECT_EQ(decompressed("x", ""), "x");
  EXPECT_EQ(decompressed(deflated("hello"), "deflate"), "hello");
  EXPECT_THAT(refused([] { decompressed("x", "br"); }), testing::StartsWith("415 "));
  EXPECT_EQ(refused([] { decompressed("nonsense", "gzip"); }), "400 body: its gzip data are damaged or cut");
  const std::string cut = deflated("hello");
  EXPECT_EQ(refused([&] { decompressed(cut.substr(0, 5), "deflate"); }), "400 body: its deflate data are damaged or cut");
  const std::string bomb = deflated(std::string(limits::kMaxBodyBytes + 1, ' '));
  EXPECT_THAT(refused([&] { decompressed(bomb, "deflate"); }), testing::StartsWith("413 "));
}

}  // namespace
}  // namespace emo::serve
