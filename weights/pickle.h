#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/dtype.h"

namespace emo {

struct PickleValue;

/// A storage that torch.save keeps outside the pickle: elements [first, first + count) of the one called `key`.
struct PickleStorage {
  std::string_view type;       ///< "FloatStorage"
  std::size_t element_bytes;   ///< 0: not known
  std::optional<DType> dtype;  ///< none: elements that nothing here reads (int8, complex, quantized ...)
  std::string_view key;
  std::int64_t first, count;
};

/// A view of a storage that has a dtype, as written; nothing about it is checked but its rank.
struct PickleTensor {
  PickleStorage storage;
  std::int64_t offset;
  std::vector<std::int64_t> shape, stride;  ///< of equal length, at most limits::kMaxRank
};

/// What a name in the pickle stands for: a row of the table of known names.
struct PickleGlobal {
  std::size_t row;
};

/// An inert stand-in for a name that is not in the table and for all that a pickle makes with it: numpy.float64,
/// argparse.Namespace, posix.system. It takes whatever it is called with, given or filled with, and keeps nothing of it.
struct PickleForeign {
  std::string_view module, name;
};

/// What this project has no use for: None, floats, integers over 64 bits, bytes, sets.
struct PickleOther {};

using PickleList = std::vector<const PickleValue*>;  ///< lists, tuples, torch.Size
using PickleDict = std::vector<std::pair<const PickleValue*, const PickleValue*>>;

/// A value of a pickle. Lists and dictionaries point at others, which can lead back to them: walk with a bound on depth.
struct PickleValue : std::variant<PickleOther, std::int64_t, std::string_view, PickleList, PickleDict, PickleGlobal,
                                  PickleForeign, PickleStorage, PickleTensor> {
  using variant::variant;

  template <typename T>
  const T* as() const {
    return std::get_if<T>(static_cast<const variant*>(this));
  }
};

/// Interprets the pickle at the front of `bytes`: protocols 2 to 5, with the names that state dicts are made of. All others
/// become inert objects. Nothing is imported, called or run. Strings are views of `bytes`.
///
/// Throws Error(kModel), beginning with `name`: an opcode that torch.save never writes, more operations than
/// limits::kMaxPickleOperations, an empty stack, wrong arguments, bytes that end before the pickle does.
/// Source: CPython's Lib/pickletools.py describes the opcodes; torch/_utils.py and torch/serialization.py the arguments.
class Pickle {
 public:
  Pickle(std::span<const std::byte> bytes, const std::string& name);
  Pickle(Pickle&&) = default;

  const PickleValue& root() const& { return *root_; }
  const PickleValue& root() const&& = delete;  // would not outlive the statement
  /// Every value made on the way, the root among them.
  const std::deque<PickleValue>& values() const { return values_; }
  /// Bytes up to its end, where the legacy format puts the next pickle.
  std::size_t size() const { return size_; }

 private:
  std::deque<PickleValue> values_;  // a deque: values point at one another
  const PickleValue* root_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace emo
