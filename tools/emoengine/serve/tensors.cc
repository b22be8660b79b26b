#include "tools/emoengine/serve/tensors.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/inputs.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
static_assert(std::endian::native == std::endian::little, "tensors are sent as they lie in memory");

template <typename... Why>
[[noreturn]] void refuse(const Why&... why) {
  throw HttpError(400, concat(why...));
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const auto n : shape) text += (text.size() > 1 ? "," : "") + std::to_string(n);
  return text + "]";
}

std::string text_of(const json& object, const char* name, const std::string& of) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) refuse(of, ": a text \"", name, "\" is needed");
  return found->get<std::string>();
}

/// Null: there are none.
json parameters_of(const json& object, const std::string& of) {
  const auto found = object.find("parameters");
  if (found == object.end()) return json::object();
  if (!found->is_object()) refuse(of, ": \"parameters\" is to be an object");
  if (found->contains("shared_memory_region")) refuse(of, ": shared memory is not taken; send the tensor itself");
  return *found;
}

bool flag(const json& parameters, const char* name, bool otherwise, const std::string& of) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return otherwise;
  if (!found->is_boolean()) refuse(of, ": \"", name, "\" is to be true or false");
  return found->get<bool>();
}

const json& array_of(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) refuse("request: an array \"", name, "\" is needed");
  if (found->size() > limits::kMaxTensorsOfRequest) {
    refuse("request: \"", name, "\" has ", found->size(), " elements; at most ", limits::kMaxTensorsOfRequest, " are taken");
  }
  return *found;
}

/// Flattens nested arrays.
void append_numbers(const json& data, std::size_t most, const std::string& of, std::vector<float>& values) {
  for (const json& element : data) {
    if (element.is_array()) {
      append_numbers(element, most, of, values);
      continue;
    }
    if (!element.is_number()) refuse(of, ": its data are to be numbers");
    if (values.size() == most) refuse(of, ": has more data than its shape says, ", most);
    values.push_back(float(element.get<double>()));
  }
}

/// A tensor of the request; `binary`: what follows the JSON, of which its share is taken.
InputTensor read_input(const json& object, std::string_view& binary) {
  if (!object.is_object()) refuse("request: an input is to be an object");
  InputTensor input{.name = text_of(object, "name", "input")};
  const std::string of = "input '" + printable(input.name) + "'";
  input.datatype = text_of(object, "datatype", of);
  const auto shape = object.find("shape");
  if (shape == object.end() || !shape->is_array() || shape->size() > std::size_t(limits::kMaxRank)) {
    refuse(of, ": an array \"shape\" of at most ", limits::kMaxRank, " numbers is needed");
  }
  std::uint64_t count = 1;
  constexpr std::uint64_t kMost = limits::kMaxBodyBytes / sizeof(float);
  for (const json& side : *shape) {
    if (!side.is_number_integer() || (!side.is_number_unsigned() && side.get<std::int64_t>() < 0) ||
        side.get<std::uint64_t>() > kMost) {
      refuse(of, ": a side of its shape is ", printable(side.dump()), "; 0 to ", kMost, " are taken");
    }
    input.shape.push_back(side.get<std::int64_t>());
    count *= side.get<std::uint64_t>();  // both at most 2^24
    if (count > kMost) refuse(of, ": its shape is of more than ", kMost, " elements");
  }
  if (input.datatype != "FP32") {
    refuse(of, ": its datatype is ", printable(input.datatype), "; FP32 is needed");
  }
  const json parameters = parameters_of(object, of);
  const auto size = parameters.find("binary_data_size");
  const auto data = object.find("data");
  if (size != parameters.end()) {
    if (data != object.end()) refuse(of, ": has \"data\" and \"binary_data_size\"; one is needed");
    if (!size->is_number_unsigned()) refuse(of, ": its binary_data_size is no number of bytes");
    if (size->get<std::uint64_t>() != count * sizeof(float)) {
      refuse(of, ": its binary_data_size is ", size->get<std::uint64_t>(), "; shape ", shape_text(input.shape), " has ",
             count * sizeof(float), " bytes");
    }
    if (binary.size() < count * sizeof(float)) refuse(of, ": its binary data are cut off");
    input.values.resize(count);
    binary.copy(reinterpret_cast<char*>(input.values.data()), count * sizeof(float));
    binary.remove_prefix(count * sizeof(float));
  } else {
    if (data == object.end() || !data->is_array()) refuse(of, ": an array \"data\" or a binary_data_size is needed");
    input.values.reserve(std::min<std::uint64_t>(count, data->size()));
    append_numbers(*data, count, of, input.values);
    if (input.values.size() != count) {
      refuse(of, ": has ", input.values.size(), " data; shape ", shape_text(input.shape), " needs ", count);
    }
  }
  for (const float value : input.values) {
    if (!std::isfinite(value)) refuse(of, ": holds NaN or infinity; every value must be a number");
  }
  return input;
}

}  // namespace

const InputTensor& InferRequest::needed(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const auto found = std::ranges::find(inputs, name, &InputTensor::name);
  if (found == inputs.end()) refuse("request: input '", name, "' is missing");
  const auto fits = [](std::int64_t came, std::int64_t wanted) { return wanted < 0 ? came > 0 : came == wanted; };
  if (!std::ranges::equal(found->shape, shape, fits)) {
    refuse("input '", name, "': shape ", shape_text(found->shape), " came; ", shape_text(shape), " is needed");
  }
  return *found;
}

InferRequest parse_infer(std::string_view body, std::optional<std::string> json_bytes) {
  std::size_t length = body.size();
  if (json_bytes) {
    const auto given = parse_number(*json_bytes);
    if (!given || *given < 0 || *given != std::floor(*given) || *given > double(body.size())) {
      refuse("Inference-Header-Content-Length: '", printable(*json_bytes), "' came; a number up to the body's ", body.size(),
             " bytes is needed");
    }
    length = std::size_t(*given);
  }
  const json object = read_json(body.substr(0, length), "request");
  if (!object.is_object()) refuse("request: a JSON object is needed");
  std::string_view binary = body.substr(length);
  InferRequest request;
  if (const auto id = object.find("id"); id != object.end()) {
    if (!id->is_string()) refuse("request: \"id\" is to be a text");
    request.id = id->get<std::string>();
  }
  for (const json& input : array_of(object, "inputs")) {
    InputTensor tensor = read_input(input, binary);
    if (std::ranges::find(request.inputs, tensor.name, &InputTensor::name) != request.inputs.end()) {
      refuse("request: input '", printable(tensor.name), "' came twice");
    }
    request.inputs.push_back(std::move(tensor));
  }
  if (!binary.empty()) refuse("request: ", binary.size(), " bytes follow that belong to no input");
  request.binary_outputs = flag(parameters_of(object, "request"), "binary_data_output", false, "request");
  if (!object.contains("outputs")) return request;
  for (const json& output : array_of(object, "outputs")) {
    if (!output.is_object()) refuse("request: an output is to be an object");
    WantedOutput wanted{.name = text_of(output, "name", "output")};
    const std::string of = "output '" + printable(wanted.name) + "'";
    const json parameters = parameters_of(output, of);
    if (parameters.contains("classification")) refuse(of, ": classes are not given, only the tensor");
    wanted.binary = flag(parameters, "binary_data", request.binary_outputs, of);
    if (std::ranges::find(request.outputs, wanted.name, &WantedOutput::name) != request.outputs.end()) {
      refuse("request: ", of, " came twice");
    }
    request.outputs.push_back(std::move(wanted));
  }
  return request;
}

std::string write_infer(const std::string& model, const InferRequest& request, const std::vector<OutputTensor>& outputs,
                        std::optional<std::size_t>& json_bytes) {
  std::vector<WantedOutput> wanted = request.outputs;
  if (wanted.empty()) {
    for (const auto& output : outputs) wanted.push_back({output.name, request.binary_outputs});
  }
  ordered_json answer{{"model_name", model}, {"model_version", "1"}};
  if (!request.id.empty()) answer["id"] = request.id;
  std::string binary;
  answer["outputs"] = ordered_json::array();
  for (const WantedOutput& want : wanted) {
    const auto found = std::ranges::find(outputs, want.name, &OutputTensor::name);
    if (found == outputs.end()) refuse("output '", printable(want.name), "': the model has none of this name");
    ordered_json output{{"name", found->name}, {"datatype", "FP32"}, {"shape", found->shape}};
    if (want.binary) {
      const std::size_t bytes = found->values.size() * sizeof(float);
      output["parameters"]["binary_data_size"] = bytes;
      binary.append(reinterpret_cast<const char*>(found->values.data()), bytes);
    } else {
      output["data"] = found->values;
    }
    answer["outputs"].push_back(std::move(output));
  }
  std::string text = answer.dump(-1, ' ', false, json::error_handler_t::replace);
  json_bytes.reset();
  if (!binary.empty()) json_bytes = text.size();
  return text + binary;
}

std::string decompressed(std::string_view body, const std::string& encoding) {
  if (encoding.empty() || encoding == "identity") return std::string(body);
  if (encoding != "gzip" && encoding != "deflate") {
    throw HttpError(415, concat("Content-Encoding: '", printable(encoding), "' came; gzip or deflate is needed"));
  }
  z_stream stream{};
  if (::inflateInit2(&stream, encoding == "gzip" ? 15 + 16 : 15) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, ::inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = uInt(body.size());
  std::string out;
  int status = Z_OK;
  while (status == Z_OK) {
    char block[1 << 16];
    stream.next_out = reinterpret_cast<Bytef*>(block);
    stream.avail_out = sizeof block;
    status = ::inflate(&stream, Z_NO_FLUSH);
    out.append(block, sizeof block - stream.avail_out);
    if (out.size() > limits::kMaxBodyBytes) {
      throw HttpError(413, concat("body: becomes larger than ", limits::kMaxBodyBytes, " bytes when it is decompressed"));
    }
  }
  if (status != Z_STREAM_END) refuse("body: its ", encoding, " data are damaged or cut");
  return out;
}

}  // namespace emo::serve
