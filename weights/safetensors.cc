#include "weights/safetensors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "weights/json.h"

namespace emo {
namespace {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian and mapped as they are");

using nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr std::size_t kLengthBytes = 8;

/// Where a tensor's bytes lie, from the first byte after the header.
struct Range {
  std::uint64_t begin, end;
  const std::string* tensor;
};

std::optional<DType> dtype_named(std::string_view name) {
  for (const DType t : {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64, DType::kI32, DType::kU8}) {
    if (name_of(t) == name) return t;
  }
  return std::nullopt;
}

/// Reads one entry of the header. Its fail() texts begin with the file and the tensor.
class EntryReader {
 public:
  EntryReader(const std::string& file, const std::string& tensor) : where_(file + ": " + printable(tensor)) {}

  /// `data` is everything after the header.
  std::pair<RawTensor, Range> read(const json& entry, std::span<const std::byte> data) const {
    if (!entry.is_object()) refuse(" is not a JSON object with dtype, shape and data_offsets");
    for (const auto& [key, value] : entry.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") refuse(" has an unknown key '", printable(key), "'");
    }
    const json& dtype = member(entry, "dtype");
    const auto type = dtype.is_string() ? dtype_named(dtype.get_ref<const std::string&>()) : std::nullopt;
    if (!type) refuse(" has dtype ", printable(dtype.dump()), "; F64, F32, F16, BF16, I64, I32 or U8 is needed");

    const json& shape = member(entry, "shape");
    if (!shape.is_array() || shape.size() > std::size_t(limits::kMaxRank)) {
      refuse(" has shape ", printable(shape.dump()), "; a list of at most ", limits::kMaxRank, " numbers is needed");
    }
    std::int64_t bytes = size_of(*type);
    RawTensor tensor{*type, {}, {}};
    for (const json& extent : shape) {
      tensor.shape.push_back(std::int64_t(whole(extent, "shape")));
      if (tensor.shape.back() == 0)
        refuse(" has shape ", to_string(tensor.shape), ", no elements; every extent must be 1 or more");
      if (__builtin_mul_overflow(bytes, tensor.shape.back(), &bytes)) {
        refuse(" has shape ", printable(shape.dump()), "; its size overflows 64 bits");
      }
    }

    const json& offsets = member(entry, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2) {
      refuse(" has data_offsets ", printable(offsets.dump()), "; a list of begin and end is needed");
    }
    const std::uint64_t begin = whole(offsets[0], "data_offsets"), end = whole(offsets[1], "data_offsets");
    if (begin > end) refuse(" begins at byte ", begin, " and ends before it, at ", end);
    if (end - begin != std::uint64_t(bytes)) {
      refuse(" has ", end - begin, " bytes; ", name_of(*type), " ", to_string(tensor.shape), " takes ", bytes);
    }
    if (end > data.size()) {
      refuse(" ends at byte ", end, " of the data and the file holds ", data.size(),
             ": it is truncated. Copy or download it again");
    }
    tensor.bytes = data.subspan(begin, end - begin);
    return {std::move(tensor), Range{begin, end, nullptr}};
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::kModel, where_, parts...);
  }

  const json& member(const json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end()) refuse(" has no ", key);
    return *found;
  }

  std::uint64_t whole(const json& value, const char* key) const {
    // nlohmann calls an integer unsigned when it has no minus sign and no fraction and fits 64 bits.
    if (!value.is_number_unsigned() ||
        value.get<std::uint64_t>() > std::uint64_t(std::numeric_limits<std::int64_t>::max())) {
      refuse(" has ", printable(value.dump()), " in its ", key, "; whole numbers from 0 to 2^63 - 1 are needed");
    }
    return value.get<std::uint64_t>();
  }

  std::string where_;
};

/// Every byte of the data belongs to one tensor.
void check_cover(std::vector<Range> ranges, std::uint64_t data_bytes, const std::string& file) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::uint64_t reached = 0;
  for (const Range& r : ranges) {
    if (r.begin != reached) {
      fail(ErrorKind::kModel, file, ": ", printable(*r.tensor), " begins at byte ", r.begin,
           " of the data and the tensor before it ends at ", reached,
           r.begin < reached ? ": they overlap" : ": there is a hole between them");
    }
    reached = r.end;
  }
  if (reached != data_bytes) {
    fail(ErrorKind::kModel, file, ": ", data_bytes - reached, " bytes after the last tensor belong to none");
  }
}

template <typename Stored, typename ToFloat>
std::vector<float> converted(std::span<const std::byte> bytes, ToFloat to_float) {
  std::vector<float> values(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;  // copied out: the format does not promise alignment
    std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
    values[i] = to_float(stored);
  }
  return values;
}

#if defined(__x86_64__)
/// half_to_float of eight at a time: every processor with AVX2 can, and a model of 64 filters opens 12 ms
/// sooner. Returns how many are done.
__attribute__((target("avx,f16c"))) std::size_t halves_to_floats(const std::byte* from, float* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
  }
  return i;
}
#endif

std::vector<float> converted_halves(std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {  // all that have it have f16c, a name that clang 16 does not know
    std::vector<float> values(bytes.size() / 2);
    const std::size_t done = halves_to_floats(bytes.data(), values.data(), values.size());
    std::ranges::copy(converted<std::uint16_t>(bytes.subspan(2 * done), half_to_float),
                      values.begin() + std::ptrdiff_t(done));
    return values;
  }
#endif
  return converted<std::uint16_t>(bytes, half_to_float);
}

}  // namespace

std::string to_string(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + ")";
}

SafeTensors::SafeTensors(const std::filesystem::path& path, std::size_t max_tensors)
    : file_(path, ErrorKind::kModel), name_(path.string()) {
  parse(file_.bytes(), max_tensors);
}

SafeTensors::SafeTensors(std::span<const std::byte> file, std::string name, std::size_t max_tensors)
    : name_(std::move(name)) {
  parse(file, max_tensors);
}

void SafeTensors::parse(std::span<const std::byte> file, std::size_t max_tensors) {
  std::uint64_t header_bytes = 0;
  if (file.size() < kLengthBytes) {
    fail(ErrorKind::kModel, name_, ": has ", file.size(), " bytes; a safetensors file begins with 8 bytes of header length");
  }
  std::memcpy(&header_bytes, file.data(), kLengthBytes);
  if (header_bytes > limits::kMaxHeaderBytes) {
    fail(ErrorKind::kModel, name_, ": is not a safetensors file, or claims a header of ", header_bytes, " bytes; at most ",
         limits::kMaxHeaderBytes, " are read. emoengine convert makes weight files");
  }
  if (header_bytes > file.size() - kLengthBytes) {
    fail(ErrorKind::kModel, name_, ": has a header of ", header_bytes, " bytes and the file ends after ",
         file.size() - kLengthBytes, " of them: it is truncated. Copy or download it again");
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + kLengthBytes, header_bytes);
  if (!header.starts_with('{'))
    fail(ErrorKind::kModel, name_, ": is not a safetensors file: its header does not begin with '{'");
  const auto data = file.subspan(kLengthBytes + header_bytes);

  const json entries = parse_json(header, name_ + ": header");
  const std::size_t count = entries.size() - entries.count(kMetadata);
  if (count > max_tensors) {
    fail(ErrorKind::kModel, name_, ": holds ", count, " tensors; at most ", max_tensors, " are read. Raise `max_tensors`");
  }
  std::vector<Range> ranges;
  for (const auto& [key, value] : entries.items()) {
    if (key == kMetadata) {
      if (!value.is_object()) fail(ErrorKind::kModel, name_, ": __metadata__ is not a JSON object");
      for (const auto& [name, text] : value.items()) {
        if (!text.is_string()) fail(ErrorKind::kModel, name_, ": __metadata__ '", printable(name), "' is not a string");
        metadata_.emplace(name, text.get<std::string>());
      }
      continue;
    }
    auto [tensor, range] = EntryReader(name_, key).read(value, data);
    range.tensor = &tensors_.emplace(key, std::move(tensor)).first->first;
    ranges.push_back(range);
  }
  check_cover(std::move(ranges), data.size(), name_);
}

const RawTensor& SafeTensors::at(const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) fail(ErrorKind::kModel, name_, ": has no tensor ", tensor);
  return found->second;
}

std::vector<float> SafeTensors::floats(const std::string& tensor, std::span<const std::int64_t> shape) const {
  const RawTensor& raw = at(tensor);
  if (!std::ranges::equal(raw.shape, shape)) {
    fail(ErrorKind::kModel, name_, ": ", tensor, " has shape ", to_string(raw.shape), "; ", to_string(shape), " is needed");
  }
  std::vector<float> values;
  switch (raw.dtype) {
    case DType::kF64: values = converted<double>(raw.bytes, [](double v) { return float(v); }); break;
    case DType::kF32: values = converted<float>(raw.bytes, [](float v) { return v; }); break;
    case DType::kF16: values = converted_halves(raw.bytes); break;
    case DType::kBF16: values = converted<std::uint16_t>(raw.bytes, bf16_to_float); break;
    default: fail(ErrorKind::kModel, name_, ": ", tensor, " is ", name_of(raw.dtype), "; a floating type is needed");
  }
  if (!file_.bytes().empty()) release_pages(raw.bytes);  // a model packs its weights once. Memory of others would be lost
  return values;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, RawTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  json entries = json::object();
  if (!metadata.empty()) entries[kMetadata] = metadata;
  std::uint64_t begin = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t end = begin + tensor.bytes.size();
    entries[name] = {{"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string header = entries.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_bytes = header.size();

  OutputFile out(path);
  out.write(std::as_bytes(std::span(&header_bytes, 1)));
  out.write(header);
  for (const auto& [name, tensor] : tensors) out.write(tensor.bytes);
  out.commit();
}

}  // namespace emo
