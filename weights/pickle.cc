#include "weights/pickle.h"

#include <array>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "weights/byte_reader.h"

namespace emo {
namespace {

enum class Meaning { kOrderedDict, kSize, kParameter, kTensorV1, kTensorV2, kStorage };

struct Global {
  std::string_view module, name;
  Meaning meaning;
  DType dtype = DType::kU8;  // of a kStorage
};

// All that a pickle may refer to.
constexpr std::array<Global, 13> kGlobals = {{
    {"collections", "OrderedDict", Meaning::kOrderedDict},
    {"torch", "Size", Meaning::kSize},
    {"torch._utils", "_rebuild_parameter", Meaning::kParameter},
    {"torch._utils", "_rebuild_tensor", Meaning::kTensorV1},  // PyTorch up to 0.3
    {"torch._utils", "_rebuild_tensor_v2", Meaning::kTensorV2},
    {"torch", "DoubleStorage", Meaning::kStorage, DType::kF64},
    {"torch", "FloatStorage", Meaning::kStorage, DType::kF32},
    {"torch", "HalfStorage", Meaning::kStorage, DType::kF16},
    {"torch", "BFloat16Storage", Meaning::kStorage, DType::kBF16},
    {"torch", "LongStorage", Meaning::kStorage, DType::kI64},
    {"torch", "IntStorage", Meaning::kStorage, DType::kI32},
    {"torch", "ByteStorage", Meaning::kStorage, DType::kU8},
    {"torch", "BoolStorage", Meaning::kStorage, DType::kU8},
}};

/// The stack machine. Every operation makes at most one value, so the bound on operations bounds the memory.
class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& name, std::deque<PickleValue>& values)
      : in_(bytes, name), name_(name), values_(values) {}

  const PickleValue* run() {
    for (std::size_t operations = 0;; ++operations) {
      if (operations == limits::kMaxPickleOperations) bad("is longer than ", operations, " operations");
      const auto opcode = in_.read<std::uint8_t>();
      if (opcode == '.') return pop();
      step(opcode);
    }
  }

  std::size_t position() const { return in_.position(); }

 private:
  void step(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80: protocol(in_.read<std::uint8_t>()); break;
      case 0x95: in_.read<std::uint64_t>(); break;                         // FRAME: a hint for buffering
      case '(': marks_.push_back(stack_.size()); break;                    // MARK
      case '0': pop(); break;                                              // POP
      case 'N': make(PickleOther{}); break;                                // NONE
      case 0x88: make(std::int64_t{1}); break;                             // NEWTRUE
      case 0x89: make(std::int64_t{0}); break;                             // NEWFALSE
      case 'K': make(std::int64_t{in_.read<std::uint8_t>()}); break;       // BININT1
      case 'M': make(std::int64_t{in_.read<std::uint16_t>()}); break;      // BININT2
      case 'J': make(std::int64_t{in_.read<std::int32_t>()}); break;       // BININT
      case 0x8a: long_integer(in_.take(in_.read<std::uint8_t>())); break;  // LONG1
      case 'G': real(); break;                                             // BINFLOAT
      case 'X': make(in_.text(in_.read<std::uint32_t>())); break;          // BINUNICODE
      case 0x8c: make(in_.text(in_.read<std::uint8_t>())); break;          // SHORT_BINUNICODE
      case ')': make(PickleList{}); break;                                 // EMPTY_TUPLE
      case ']': make(PickleList{}); break;                                 // EMPTY_LIST
      case 't': make(pop_to_mark()); break;                                // TUPLE
      case 0x85: make(pop_tuple(1)); break;                                // TUPLE1
      case 0x86: make(pop_tuple(2)); break;                                // TUPLE2
      case 0x87: make(pop_tuple(3)); break;                                // TUPLE3
      case 'a': append(pop_tuple(1)); break;                               // APPEND
      case 'e': append(pop_to_mark()); break;                              // APPENDS
      case '}': make(PickleDict{}); break;                                 // EMPTY_DICT
      case 's': set_items(pop_tuple(2)); break;                            // SETITEM
      case 'u': set_items(pop_to_mark()); break;                           // SETITEMS
      case 'q': memo_[in_.read<std::uint8_t>()] = top(); break;            // BINPUT
      case 'r': memo_[in_.read<std::uint32_t>()] = top(); break;           // LONG_BINPUT
      case 0x94: memo_[std::uint32_t(memo_.size())] = top(); break;        // MEMOIZE
      case 'h': recall(in_.read<std::uint8_t>()); break;                   // BINGET
      case 'j': recall(in_.read<std::uint32_t>()); break;                  // LONG_BINGET
      case 'c': import_line(); break;                                      // GLOBAL
      case 0x93: import_strings(); break;                                  // STACK_GLOBAL
      case 'Q': persistent(list(pop(), "a persistent id")); break;         // BINPERSID
      case 'R': reduce(); break;                                           // REDUCE
      case 'b': build(); break;                                            // BUILD
      default:
        bad("has opcode ", int(opcode), " at byte ", in_.position() - 1,
            ", which no state dict needs. In PyTorch, save model.state_dict() alone");
    }
  }

  template <typename... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorKind::kModel, name_, ": its pickle ", parts...);
  }

  void make(PickleValue value) { stack_.push_back(&values_.emplace_back(std::move(value))); }

  PickleValue* top() const {
    if (stack_.size() <= floor()) bad("is damaged: it takes from an empty stack at byte ", in_.position() - 1);
    return stack_.back();
  }

  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleList pop_tuple(std::size_t count) {
    PickleList items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }

  PickleList pop_to_mark() {
    if (marks_.empty()) bad("is damaged: it looks for a mark that is not there at byte ", in_.position() - 1);
    const PickleList items(stack_.begin() + std::ptrdiff_t(floor()), stack_.end());
    stack_.resize(floor());
    marks_.pop_back();
    return items;
  }

  void protocol(int version) const {
    if (version < 2 || version > 4) bad("has protocol ", version, "; 2 to 4 are read");
  }

  void long_integer(std::span<const std::byte> bytes) {
    if (bytes.size() > sizeof(std::int64_t)) return make(PickleOther{});
    std::int64_t value = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{} ? -1 : 0;  // sign
    std::memcpy(&value, bytes.data(), bytes.size());
    make(value);
  }

  void real() {
    in_.take(sizeof(double));
    make(PickleOther{});
  }

  void append(const PickleList& items) {
    auto* target = std::get_if<PickleList>(top());
    if (!target) bad("is damaged: it appends to what is no list");
    target->insert(target->end(), items.begin(), items.end());
  }

  void set_items(const PickleList& items) {
    auto* target = std::get_if<PickleDict>(top());
    if (!target || items.size() % 2 != 0) bad("is damaged: it sets items of what is no dictionary, or half an item");
    for (std::size_t i = 0; i < items.size(); i += 2) target->emplace_back(items[i], items[i + 1]);
  }

  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) bad("is damaged: it recalls entry ", key, ", which it never kept");
    stack_.push_back(found->second);
  }

  std::string_view line() {
    std::size_t length = 0;
    for (ByteReader ahead = in_; ahead.read<char>() != '\n';) ++length;
    const std::string_view text = in_.text(length);
    in_.take(1);
    return text;
  }

  void import_line() {
    const std::string_view module = line();
    import(module, line());
  }

  void import_strings() {
    const PickleList pair = pop_tuple(2);
    const auto *module = pair[0]->as<std::string_view>(), *name = pair[1]->as<std::string_view>();
    if (!module || !name) bad("is damaged: it names a global by what is no string");
    import(*module, *name);
  }

  void import(std::string_view module, std::string_view name) {
    for (std::size_t row = 0; row < kGlobals.size(); ++row) {
      if (kGlobals[row].module == module && kGlobals[row].name == name) return make(PickleGlobal{row});
    }
    bad("refers to ", printable(concat(module, '.', name)),
        ", which is not on the list of names that a state dict needs. "
        "In PyTorch, save model.state_dict() alone");
  }

  const Global& global(const PickleValue* value) const {
    const auto* found = value->as<PickleGlobal>();
    if (!found) bad("is damaged: it calls what cannot be called");
    return kGlobals[found->row];
  }

  const PickleList& list(const PickleValue* value, const char* what) const {
    const auto* found = value->as<PickleList>();
    if (!found) bad("is damaged: ", what, " is no tuple");
    return *found;
  }

  std::int64_t integer(const PickleValue* value, const char* what) const {
    const auto* found = value->as<std::int64_t>();
    if (!found) bad("is damaged: ", what, " is no integer");
    return *found;
  }

  std::string_view string(const PickleValue* value, const char* what) const {
    const auto* found = value->as<std::string_view>();
    if (!found) bad("is damaged: ", what, " is no string");
    return *found;
  }

  std::vector<std::int64_t> extents(const PickleValue* value, const char* what) const {
    const PickleList& items = list(value, what);
    if (items.size() > std::size_t(limits::kMaxRank)) {
      bad("has a tensor of ", items.size(), " dimensions; at most ", limits::kMaxRank, " are read");
    }
    std::vector<std::int64_t> extents;
    for (const PickleValue* item : items) extents.push_back(integer(item, what));
    return extents;
  }

  // ('storage', type, key, location, count), and in the legacy format a sixth: None or (view's key, first, count).
  void persistent(const PickleList& id) {
    if (id.size() < 5 || string(id[0], "the kind of a persistent id") != "storage") {
      bad("is damaged: a persistent id is no storage");
    }
    const Global& type = global(id[1]);
    if (type.meaning != Meaning::kStorage) bad("is damaged: ", type.module, '.', type.name, " is no storage type");
    PickleStorage storage{type.dtype, string(id[2], "a storage's key"), 0, integer(id[4], "a storage's size")};
    if (id.size() > 5 && !id[5]->as<PickleOther>()) {
      const PickleList& view = list(id[5], "a storage's view");
      if (view.size() != 3) bad("is damaged: a storage's view has ", view.size(), " items; 3 are needed");
      storage.first = integer(view[1], "a view's offset");
      storage.count = integer(view[2], "a view's size");
    }
    make(storage);
  }

  void reduce() {
    const PickleList& arguments = list(pop(), "a call's arguments");
    const Global& callee = global(pop());
    const auto need = [&](std::size_t count) {
      if (arguments.size() < count) {
        bad("is damaged: ", callee.name, " gets ", arguments.size(), " arguments; ", count, " are needed");
      }
    };
    switch (callee.meaning) {
      case Meaning::kOrderedDict:
        if (!arguments.empty()) bad("fills an OrderedDict as Python 2 did; save the state dict again with Python 3");
        return make(PickleDict{});
      case Meaning::kSize:
        need(1);
        extents(arguments[0], "a torch.Size");  // bounds the copy
        return make(*arguments[0]);
      case Meaning::kParameter:
        need(1);
        if (!arguments[0]->as<PickleTensor>()) bad("is damaged: a parameter is built on what is no tensor");
        return make(*arguments[0]);
      case Meaning::kTensorV1:  // (storage, offset, shape, stride)
      case Meaning::kTensorV2:  // and requires_grad, hooks, metadata
        need(4);
        return tensor(arguments);
      case Meaning::kStorage: bad("is damaged: it calls ", callee.module, '.', callee.name);
    }
  }

  void tensor(const PickleList& arguments) {
    const auto* storage = arguments[0]->as<PickleStorage>();
    if (!storage) bad("is damaged: a tensor is built on what is no storage");
    PickleTensor tensor{*storage, integer(arguments[1], "a tensor's offset"), extents(arguments[2], "a tensor's shape"),
                        extents(arguments[3], "a tensor's stride")};
    if (tensor.shape.size() != tensor.stride.size()) {
      bad("is damaged: a tensor has ", tensor.shape.size(), " extents and ", tensor.stride.size(), " strides");
    }
    make(std::move(tensor));
  }

  // A state dict carries attributes (_metadata: versions of its modules) that no weight depends on.
  void build() {
    pop();
    if (!top()->as<PickleDict>()) bad("sets attributes of what is no state dict. In PyTorch, save model.state_dict() alone");
  }

  ByteReader in_;
  const std::string& name_;
  std::deque<PickleValue>& values_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue*> memo_;
};

}  // namespace

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& name) {
  Machine machine(bytes, name, values_);
  root_ = machine.run();
  size_ = machine.position();
}

}  // namespace emo
