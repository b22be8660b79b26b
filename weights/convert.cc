#include "weights/convert.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "weights/checkpoint.h"
#include "weights/json.h"
#include "weights/layouts.h"
#include "weights/model_file.h"
#include "weights/safetensors.h"

namespace emo {
namespace {

using nlohmann::json;

/// The config key by key: what the tensors tell, then what a weight file of ours says of itself, then the user. What the
/// tensors decide, the others may only repeat.
ModelConfig merged_config(const Checkpoint& checkpoint, const FoundModel& model, const std::filesystem::path& config) {
  const std::string& in = checkpoint.name();
  const std::string where = config.empty() ? in : config.string();
  json object = json_of(model.config), given = json::object();
  const auto put = [&](std::string_view text, const std::string& from) {
    const json settings = parse_json(text, from);
    config_of(settings, from, false);  // whatever is wrong with it alone
    for (const auto& [key, value] : settings.items()) {
      const bool decided = std::ranges::find(model.decided, key) != model.decided.end();
      if (decided && object[key] != value) {
        fail(ErrorKind::kModel, from, ": ", key, " is ", printable(value.dump()), " and ", in, " has ", object[key].dump(),
             "; correct it or leave it out");
      }
      object[key] = given[key] = value;
    }
  };
  const auto own = checkpoint.metadata().find(ModelFile::kMetadataKey);
  if (own != checkpoint.metadata().end()) put(own->second, in + ": metadata");
  if (!config.empty()) {
    const MappedFile file(config, ErrorKind::kModel);
    put({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, where);
  }
  if (model.layout == Layout::kSpeech && !(given.contains("feature_mean") && given.contains("feature_std"))) {
    fail(ErrorKind::kModel, where, ": feature_mean and feature_std are missing; the tensors of a speech model do not tell ",
         "how its features were scaled. Give both with `config`, and every other setting that differs from the default: ",
         to_json(SpeechConfig()));
  }
  return config_of(object, where, true);
}

/// What the shapes tell and the config says at once.
void check_counts(const FoundModel& model, const ModelConfig& config, const std::string& in) {
  if (const auto* generator = std::get_if<GeneratorConfig>(&config)) {
    if (int(generator->au_names.size()) == model.au_count) return;
    fail(ErrorKind::kModel, in, ": its first layer takes ", model.au_count, " AUs and au_names lists ",
         generator->au_names.size(), R"(. Name them with `config`: {"au_names": ["AU01", ...]})");
  }
  const auto* speech = std::get_if<SpeechConfig>(&config);
  if (!speech || speech->features() == model.features) return;
  fail(ErrorKind::kModel, in, ": ", printable(model.prefix), "weight_ih_l0 takes ", model.features,
       " features; n_mfcc = ", speech->n_mfcc, speech->deltas ? " with" : " without", " deltas gives ", speech->features());
}

double value_at(DType dtype, const std::byte* element) {
  const auto load = [&]<typename T>(T value) {
    std::memcpy(&value, element, sizeof value);
    return value;
  };
  switch (dtype) {
    case DType::kF64: return load(double{});
    case DType::kF32: return load(float{});
    case DType::kF16: return half_to_float(load(std::uint16_t{}));
    default: return bf16_to_float(load(std::uint16_t{}));
  }
}

/// Stores a value, fp64 by way of fp32, in a smaller or equal type and returns what a reader of it will see.
double store(DType dtype, double value, std::byte* element) {
  if (dtype == DType::kF32) {
    const auto stored = float(value);
    std::memcpy(element, &stored, sizeof stored);
    return stored;
  }
  const std::uint16_t stored = dtype == DType::kF16 ? float_to_half(float(value)) : float_to_bf16(float(value));
  std::memcpy(element, &stored, sizeof stored);
  return value_at(dtype, element);
}

std::vector<std::byte> converted(const CheckpointTensor& tensor, DType to, const std::string& where) {
  const std::vector<std::byte> from = tensor.contiguous();
  const std::size_t step = size_of(tensor.dtype), count = from.size() / step;
  std::vector<std::byte> out(count * size_of(to));
  for (std::size_t i = 0; i < count; ++i) {
    const double value = value_at(tensor.dtype, from.data() + i * step);
    if (!std::isfinite(value)) fail(ErrorKind::kModel, where, " holds ", value, " at [", i, "]; weights must be finite");
    if (std::isfinite(store(to, value, out.data() + i * size_of(to)))) continue;
    fail(ErrorKind::kModel, where, " holds ", value, " at [", i, "], too large for ", name_of(to),
         "; choose another `dtype`");
  }
  return out;
}

DType written_type(const CheckpointTensor& tensor, std::optional<DType> wanted, const std::string& where) {
  if (!is_floating(tensor.dtype)) {
    fail(ErrorKind::kModel, where, " is ", name_of(tensor.dtype), "; a floating type is needed");
  }
  if (wanted) return *wanted;
  return tensor.dtype == DType::kF64 ? DType::kF32 : tensor.dtype;
}

}  // namespace

ConvertReport convert(const std::filesystem::path& in, const std::filesystem::path& out, const ConvertOptions& options) {
  if (options.dtype && (!is_floating(*options.dtype) || *options.dtype == DType::kF64)) {
    fail(ErrorKind::kUsage, "convert: cannot write ", name_of(*options.dtype), "; F32, F16 and BF16 can be written");
  }
  const Checkpoint checkpoint(in, options.max_tensors);
  const FoundModel model = find_model(checkpoint, options.layout, options.prefix);
  ConvertReport report{model.layout, merged_config(checkpoint, model, options.config), 0, {}};
  check_counts(model, report.config, in.string());

  std::uint64_t total_bytes = 0;
  std::map<std::string, std::vector<std::byte>> bytes;
  std::map<std::string, RawTensor> tensors;
  for (const auto& [name, key] : map_tensors(checkpoint, model, report.config, report.notes)) {
    const CheckpointTensor& source = checkpoint.tensors().at(key);
    const std::string where = concat(in.string(), ": ", printable(key));
    const DType dtype = written_type(source, options.dtype, where);
    // Tensors may share or repeat the elements of a storage: a small file can ask for much.
    total_bytes += std::uint64_t(source.count()) * size_of(dtype);
    if (total_bytes > limits::kMaxCheckpointBytes) {
      fail(ErrorKind::kModel, in.string(), ": its tensors need over ", limits::kMaxCheckpointBytes, " bytes");
    }
    tensors[name] = {dtype, source.shape, bytes[name] = converted(source, dtype, where)};
  }
  report.tensors = tensors.size();
  write_safetensors(out, tensors, {{ModelFile::kMetadataKey, to_json(report.config)}});
  return report;
}

}  // namespace emo
