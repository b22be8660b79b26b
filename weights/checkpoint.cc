#include "weights/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "weights/byte_reader.h"
#include "weights/pickle.h"
#include "weights/safetensors.h"
#include "weights/zip.h"

namespace emo {
namespace {

using Bytes = std::span<const std::byte>;
/// What a checkpoint holds.
struct Contents {
  std::map<std::string, CheckpointTensor>& tensors;
  std::map<std::string, std::string>& foreign;
};
using Storages = std::map<std::string, Bytes, std::less<>>;

std::vector<std::int64_t> row_major(std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> stride(shape.size());
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i]) stride[i] = step;
  return stride;
}

bool starts_with(Bytes file, std::size_t offset, std::string_view text) {
  return file.size() >= offset + text.size() && std::memcmp(file.data() + offset, text.data(), text.size()) == 0;
}

/// Walks a pickle's nested dictionaries and gathers what lies under string keys.
class Gatherer {
 public:
  Gatherer(const Storages& storages, const std::string& name, std::size_t max_tensors, const Contents& contents)
      : storages_(storages), name_(name), max_tensors_(max_tensors), contents_(contents) {}

  void gather(const PickleValue& value, const std::string& key, int depth = 0) {
    if (const auto* tensor = value.as<PickleTensor>()) {
      if (contents_.tensors.size() == max_tensors_) {
        fail(ErrorKind::kModel, name_, ": holds more than ", max_tensors_, " tensors. Raise `max_tensors` to take it");
      }
      contents_.tensors[key] = resolve(*tensor, key);
    } else if (const auto* foreign = value.as<PickleForeign>()) {
      const std::string what = printable(concat(foreign->module, '.', foreign->name));
      if (key.empty()) {
        fail(ErrorKind::kModel, name_, ": is a whole ", what,
             ", of which only Python code can make sense; a state dict is needed. "
             "In PyTorch: torch.save(model.state_dict(), OUT)");
      }
      if (contents_.foreign.size() < max_tensors_) contents_.foreign[key] = what;
    } else if (const auto* dictionary = value.as<PickleDict>()) {
      if (depth == limits::kMaxCheckpointDepth)
        bad(printable(key), " is a dictionary ", depth, " levels deep; it may hold itself");
      // Shared dictionaries are visited once for each place: few values can make a walk without end.
      visited_ += dictionary->size();
      if (visited_ > limits::kMaxPickleOperations)
        bad(printable(key), " makes over ", limits::kMaxPickleOperations, " entries");
      for (const auto& [entry, child] : *dictionary) {
        const auto* text = entry->as<std::string_view>();
        if (!text) continue;  // numbers: an optimiser's state
        if (key.size() + text->size() > limits::kMaxNameBytes) bad("a key is longer than ", limits::kMaxNameBytes, " bytes");
        gather(*child, join(key, *text), depth + 1);
      }
    }
  }

 private:
  template <typename... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorKind::kModel, name_, ": damaged checkpoint: ", parts..., ". Copy or download it again");
  }

  static std::string join(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : concat(path, '/', key);
  }

  CheckpointTensor resolve(const PickleTensor& source, const std::string& key) const {
    const PickleStorage& view = source.storage;
    const auto storage = storages_.find(view.key);
    if (storage == storages_.end())
      bad(printable(key), " needs storage '", printable(view.key), "', which is not in the file");
    const auto elements = std::int64_t(storage->second.size() / view.element_bytes);
    if (view.first < 0 || view.count < 0 || view.first > elements || view.count > elements - view.first) {
      bad("storage '", printable(view.key), "' of ", printable(key), " has ", elements, " elements; ", view.count, " from ",
          view.first, " are needed");
    }
    check_reach(source, key);
    return {
        *view.dtype, source.shape, source.stride, source.offset,
        storage->second.subspan(std::size_t(view.first) * view.element_bytes, std::size_t(view.count) * view.element_bytes)};
  }

  // Every index that the shape and strides can make lies in the storage.
  void check_reach(const PickleTensor& tensor, const std::string& key) const {
    std::int64_t count = 1, last = tensor.offset;
    bool fits = tensor.offset >= 0;
    for (std::size_t i = 0; fits && i < tensor.shape.size(); ++i) {
      const std::int64_t extent = tensor.shape[i], stride = tensor.stride[i];
      std::int64_t reach = 0;
      fits = extent >= 0 && stride >= 0 && !__builtin_mul_overflow(count, extent, &count) &&
             !__builtin_mul_overflow(std::max<std::int64_t>(extent - 1, 0), stride, &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    if (!fits || count > std::int64_t(limits::kMaxCheckpointBytes) || (count > 0 && last >= tensor.storage.count)) {
      bad(printable(key), " of shape ", to_string(tensor.shape), " reaches outside its storage of ", tensor.storage.count,
          " elements");
    }
  }

  const Storages& storages_;
  const std::string& name_;
  const std::size_t max_tensors_;
  const Contents contents_;
  std::size_t visited_ = 0;
};

/// torch.save since 1.6: a zip archive with NAME/data.pkl, and NAME/data/KEY for each storage.
void read_torch_zip(Bytes file, const std::string& name, std::size_t max_tensors, const Contents& contents) {
  const auto entries = read_zip(file, name);
  constexpr std::string_view kPickle = "data.pkl", kData = "data/";
  std::string folder;  // the archive's one folder, its '/' included
  for (const auto& [path, entry] : entries) {
    if (path.ends_with("constants.pkl") || path.find("/code/") != std::string::npos) {
      fail(ErrorKind::kModel, name,
           ": is a TorchScript archive; a state dict is needed. "
           "In PyTorch: torch.save(torch.jit.load(FILE).state_dict(), OUT)");
    }
    if (path.ends_with(concat('/', kPickle))) folder = path.substr(0, path.size() - kPickle.size());
  }
  if (folder.empty())
    fail(ErrorKind::kModel, name, ": is a zip archive without data.pkl; one written by torch.save is needed");

  Storages parts, storages;
  for (const auto& [path, entry] : entries) {
    if (!path.starts_with(folder)) continue;
    if (!entry.stored) {
      fail(
          ErrorKind::kModel, name, ": entry '", printable(path),
          "' is compressed or encrypted; torch.save stores entries as they are. Load the file in PyTorch and save it again");
    }
    const std::string part = path.substr(folder.size());
    if (part.starts_with(kData)) storages.emplace(part.substr(kData.size()), entry.bytes);
    if (!part.starts_with(kData)) parts.emplace(part, entry.bytes);
  }
  if (const auto order = parts.find("byteorder"); order != parts.end() && !starts_with(order->second, 0, "little")) {
    fail(ErrorKind::kModel, name, ": was written on a big-endian machine; save it again on a little-endian one");
  }
  const Pickle state(parts.find(kPickle)->second, name);
  Gatherer(storages, name, max_tensors, contents).gather(state.root(), "");
}

/// torch.save before 1.6: five pickles in a row (magic number, protocol, the machine's sizes, the object, the list of
/// storage keys), then for each key, in that order, an int64 count and the elements.
void read_torch_legacy(Bytes file, const std::string& name, std::size_t max_tensors, const Contents& contents) {
  std::size_t position = 0;
  const auto next = [&] {
    Pickle pickle(file.subspan(position), name);
    position += pickle.size();
    return pickle;
  };
  next();  // the magic number, which open() has recognised
  const Pickle version = next();
  const auto* protocol = version.root().as<std::int64_t>();
  if (!protocol || *protocol != 1001) fail(ErrorKind::kModel, name, ": has an unknown protocol; torch.save writes 1001");
  const Pickle machine = next();
  if (const auto* sizes = machine.root().as<PickleDict>()) {
    for (const auto& [key, value] : *sizes) {
      const auto* text = key->as<std::string_view>();
      const auto* little = value->as<std::int64_t>();
      if (text && *text == "little_endian" && little && *little == 0) {
        fail(ErrorKind::kModel, name, ": was written on a big-endian machine; save it again on a little-endian one");
      }
    }
  }
  const Pickle state = next(), keys = next();

  std::map<std::string_view, const PickleStorage*> types;
  for (const PickleValue& value : state.values()) {
    if (const auto* storage = value.as<PickleStorage>()) types.emplace(storage->key, storage);
  }
  Storages storages;
  ByteReader in(file, name, position);
  const auto* list = keys.root().as<PickleList>();
  if (!list)
    fail(ErrorKind::kModel, name, ": damaged checkpoint: the list of storages is missing. Copy or download it again");
  for (const PickleValue* value : *list) {
    const auto* key = value->as<std::string_view>();
    if (!key || !types.contains(*key)) {
      fail(ErrorKind::kModel, name, ": damaged checkpoint: it lists a storage that nothing uses. Copy or download it again");
    }
    const auto count = in.read<std::uint64_t>();
    const std::size_t size = types[*key]->element_bytes;
    if (size == 0) {
      fail(ErrorKind::kModel, name, ": has a storage of type ", printable(types[*key]->type),
           ", whose size in a file of PyTorch before 1.6 is not known. Save it again with a newer PyTorch");
    }
    storages.emplace(*key, in.take(count > in.remaining() / size ? in.remaining() + 1 : count * size));
  }
  Gatherer(storages, name, max_tensors, contents).gather(state.root(), "");
}

std::map<std::string, std::string> read_safetensors(Bytes file, const std::string& name, std::size_t max_tensors,
                                                    const Contents& contents) {
  const SafeTensors source(file, name, max_tensors);
  for (const auto& [key, tensor] : source.tensors()) {
    contents.tensors[key] = {tensor.dtype, tensor.shape, row_major(tensor.shape), 0, tensor.bytes};
  }
  return source.metadata();
}

}  // namespace

void Checkpoint::read(Bytes file, std::size_t max_tensors) {
  if (file.size() > limits::kMaxCheckpointBytes) {
    fail(ErrorKind::kModel, name_, ": has ", file.size(), " bytes; at most ", limits::kMaxCheckpointBytes, " are read");
  }
  const Contents contents{tensors_, foreign_};
  if (starts_with(file, 0, "PK\3\4")) {
    read_torch_zip(file, name_, max_tensors, contents);
  } else if (starts_with(file, 8, "{")) {
    metadata_ = read_safetensors(file, name_, max_tensors, contents);
  } else if (starts_with(file, 2, "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")) {
    read_torch_legacy(file, name_, max_tensors, contents);
  } else {
    fail(ErrorKind::kModel, name_, ": is no checkpoint; a file written by torch.save or a safetensors file is needed");
  }
  if (tensors_.empty()) {
    std::string instead;
    if (!foreign_.empty()) {
      instead = concat(", but ", printable(foreign_.begin()->first), ", a ", foreign_.begin()->second);
    }
    fail(ErrorKind::kModel, name_, ": holds no tensors under names", instead, "; a state dict is needed");
  }
}

std::int64_t CheckpointTensor::count() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::vector<std::byte> CheckpointTensor::contiguous() const {
  const std::size_t size = size_of(dtype);
  std::vector<std::byte> out(std::size_t(count()) * size);
  if (out.empty()) return out;
  const std::byte* first = storage.data() + std::size_t(offset) * size;
  if (stride == row_major(shape)) {
    std::copy_n(first, out.size(), out.begin());
    return out;
  }
  std::vector<std::int64_t> index(shape.size(), 0);
  std::int64_t at = 0;
  for (std::size_t written = 0; written < out.size(); written += size) {
    std::copy_n(first + std::size_t(at) * size, size, out.begin() + std::ptrdiff_t(written));
    for (std::size_t i = shape.size(); i-- > 0;) {  // count up, the last index fastest
      if (index[i] + 1 < shape[i]) {
        ++index[i];
        at += stride[i];
        break;
      }
      at -= stride[i] * std::exchange(index[i], 0);
    }
  }
  return out;
}

Checkpoint::Checkpoint(const std::filesystem::path& path, std::size_t max_tensors)
    : file_(path, ErrorKind::kModel), name_(path.string()) {
  read(file_.bytes(), max_tensors);
}

Checkpoint::Checkpoint(std::span<const std::byte> file, std::string name, std::size_t max_tensors) : name_(std::move(name)) {
  read(file, max_tensors);
}

}  // namespace emo
