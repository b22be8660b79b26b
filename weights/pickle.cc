#include "weights/pickle.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "weights/byte_reader.h"

namespace emo {
namespace {

enum class Meaning { kDict, kSize, kParameter, kTensor, kFromType, kStorage };

struct Global {
  std::string_view module, name;
  Meaning meaning;
  std::size_t element_bytes = 0;  // of a kStorage
  std::optional<DType> dtype = std::nullopt;
};

constexpr Global storage(std::string_view name, DType dtype) {
  return {"torch", name, Meaning::kStorage, size_of(dtype), dtype};
}
constexpr Global unread(std::string_view name, std::size_t element_bytes) {
  return {"torch", name, Meaning::kStorage, element_bytes};
}

// All that means something. The arguments stand in torch/_utils.py and torch/_tensor.py.
constexpr Global kGlobals[] = {
    {"collections", "OrderedDict", Meaning::kDict},
    {"collections", "defaultdict", Meaning::kDict},
    {"torch", "Size", Meaning::kSize},
    {"torch._utils", "_rebuild_parameter", Meaning::kParameter},
    {"torch._utils", "_rebuild_parameter_with_state", Meaning::kParameter},
    {"torch._utils", "_rebuild_tensor", Meaning::kTensor},  // PyTorch up to 0.3
    {"torch._utils", "_rebuild_tensor_v2", Meaning::kTensor},
    {"torch._tensor", "_rebuild_from_type_v2", Meaning::kFromType},  // a tensor with attributes of its own
    storage("DoubleStorage", DType::kF64),
    storage("FloatStorage", DType::kF32),
    storage("HalfStorage", DType::kF16),
    storage("BFloat16Storage", DType::kBF16),
    storage("LongStorage", DType::kI64),
    storage("IntStorage", DType::kI32),
    storage("ByteStorage", DType::kU8),
    storage("BoolStorage", DType::kU8),
    unread("CharStorage", 1),
    unread("ShortStorage", 2),
    unread("ComplexFloatStorage", 8),
    unread("ComplexDoubleStorage", 16),
    unread("QInt8Storage", 1),
    unread("QUInt8Storage", 1),
    unread("QInt32Storage", 4),
};

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
      case 0x95: in_.read<std::uint64_t>(); break;                          // FRAME: a hint for buffering
      case '(': marks_.push_back(stack_.size()); break;                     // MARK
      case '0': pop(); break;                                               // POP
      case '1': pop_to_mark(); break;                                       // POP_MARK
      case '2': stack_.push_back(top()); break;                             // DUP
      case 'N': make(PickleOther{}); break;                                 // NONE
      case 0x88: make(std::int64_t{1}); break;                              // NEWTRUE
      case 0x89: make(std::int64_t{0}); break;                              // NEWFALSE
      case 'K': make(std::int64_t{in_.read<std::uint8_t>()}); break;        // BININT1
      case 'M': make(std::int64_t{in_.read<std::uint16_t>()}); break;       // BININT2
      case 'J': make(std::int64_t{in_.read<std::int32_t>()}); break;        // BININT
      case 0x8a: long_integer(in_.take(in_.read<std::uint8_t>())); break;   // LONG1
      case 0x8b: long_integer(in_.take(in_.read<std::uint32_t>())); break;  // LONG4
      case 'G': other(sizeof(double)); break;                               // BINFLOAT
      case 'C': other(in_.read<std::uint8_t>()); break;                     // SHORT_BINBYTES
      case 'B': other(in_.read<std::uint32_t>()); break;                    // BINBYTES
      case 0x8e: other(in_.read<std::uint64_t>()); break;                   // BINBYTES8
      case 0x96: other(in_.read<std::uint64_t>()); break;                   // BYTEARRAY8
      case 'X': make(in_.text(in_.read<std::uint32_t>())); break;           // BINUNICODE
      case 0x8c: make(in_.text(in_.read<std::uint8_t>())); break;           // SHORT_BINUNICODE
      case 0x8d: make(in_.text(in_.read<std::uint64_t>())); break;          // BINUNICODE8
      case 'U': make(in_.text(in_.read<std::uint8_t>())); break;            // SHORT_BINSTRING: Python 2's
      case 'T': make(in_.text(in_.read<std::uint32_t>())); break;           // BINSTRING
      case ')': make(PickleList{}); break;                                  // EMPTY_TUPLE
      case ']': make(PickleList{}); break;                                  // EMPTY_LIST
      case 't': make(pop_to_mark()); break;                                 // TUPLE
      case 0x85: make(pop_tuple(1)); break;                                 // TUPLE1
      case 0x86: make(pop_tuple(2)); break;                                 // TUPLE2
      case 0x87: make(pop_tuple(3)); break;                                 // TUPLE3
      case 'a': append(pop_tuple(1)); break;                                // APPEND
      case 'e': append(pop_to_mark()); break;                               // APPENDS
      case 0x8f: make(PickleOther{}); break;                                // EMPTY_SET
      case 0x90: pop_to_mark(), top(); break;                               // ADDITEMS
      case 0x91: pop_to_mark(), make(PickleOther{}); break;                 // FROZENSET
      case '}': make(PickleDict{}); break;                                  // EMPTY_DICT
      case 's': set_items(pop_tuple(2)); break;                             // SETITEM
      case 'u': set_items(pop_to_mark()); break;                            // SETITEMS
      case 'q': memo_[in_.read<std::uint8_t>()] = top(); break;             // BINPUT
      case 'r': memo_[in_.read<std::uint32_t>()] = top(); break;            // LONG_BINPUT
      case 0x94: memo_[std::uint32_t(memo_.size())] = top(); break;         // MEMOIZE
      case 'h': recall(in_.read<std::uint8_t>()); break;                    // BINGET
      case 'j': recall(in_.read<std::uint32_t>()); break;                   // LONG_BINGET
      case 'c': import_line(); break;                                       // GLOBAL
      case 0x93: import_strings(); break;                                   // STACK_GLOBAL
      case 'Q': persistent(list(pop(), "a persistent id")); break;          // BINPERSID
      case 'R': reduce(pop_tuple(2)); break;                                // REDUCE
      case 0x81: new_object(pop_tuple(2)); break;                           // NEWOBJ
      case 0x92: new_object(pop_tuple(3)); break;                           // NEWOBJ_EX
      case 'b': build(); break;                                             // BUILD
      default:
        bad("has opcode ", int(opcode), " at byte ", in_.position() - 1,
            ", which torch.save does not write. In PyTorch, save model.state_dict() alone");
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
    if (version < 2 || version > 5) bad("has protocol ", version, "; 2 to 5 are read");
  }

  void long_integer(std::span<const std::byte> bytes) {
    if (bytes.size() > sizeof(std::int64_t)) return make(PickleOther{});
    std::int64_t value = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{} ? -1 : 0;  // sign
    std::memcpy(&value, bytes.data(), bytes.size());
    make(value);
  }

  void other(std::uint64_t bytes) {
    in_.take(bytes);
    make(PickleOther{});
  }

  void append(const PickleList& items) {
    if (top()->as<PickleForeign>()) return;
    auto* target = std::get_if<PickleList>(top());
    if (!target) bad("is damaged: it appends to what is no list");
    target->insert(target->end(), items.begin(), items.end());
  }

  void set_items(const PickleList& items) {
    if (top()->as<PickleForeign>()) return;
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
    const auto known = std::ranges::find_if(kGlobals, [&](const Global& g) { return g.module == module && g.name == name; });
    if (known == std::end(kGlobals)) return make(PickleForeign{module, name});
    make(PickleGlobal{std::size_t(known - std::begin(kGlobals))});
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
    PickleStorage storage{{}, 0, {}, string(id[2], "a storage's key"), 0, integer(id[4], "a storage's size")};
    if (const auto* foreign = id[1]->as<PickleForeign>()) {
      storage.type = foreign->name;
    } else {
      const Global& type = global(id[1]);
      if (type.meaning != Meaning::kStorage) bad("is damaged: ", type.module, '.', type.name, " is no storage type");
      storage.type = type.name, storage.element_bytes = type.element_bytes, storage.dtype = type.dtype;
    }
    if (id.size() > 5 && !id[5]->as<PickleOther>()) {
      const PickleList& view = list(id[5], "a storage's view");
      if (view.size() != 3) bad("is damaged: a storage's view has ", view.size(), " items; 3 are needed");
      storage.first = integer(view[1], "a view's offset");
      storage.count = integer(view[2], "a view's size");
    }
    make(storage);
  }

  void reduce(const PickleList& call) {
    if (const auto* foreign = call[0]->as<PickleForeign>()) return make(*foreign);
    this->call(global(call[0]), list(call[1], "a call's arguments"));
  }

  void call(const Global& callee, const PickleList& arguments) {
    const auto need = [&](std::size_t count) {
      if (arguments.size() < count) {
        bad("is damaged: ", callee.name, " gets ", arguments.size(), " arguments; ", count, " are needed");
      }
    };
    switch (callee.meaning) {
      case Meaning::kDict: {  // a defaultdict's argument makes missing values; Python 2 gave an OrderedDict its items
        PickleDict items;
        const auto* pairs = arguments.empty() ? nullptr : arguments[0]->as<PickleList>();
        for (const PickleValue* pair : pairs ? *pairs : PickleList{}) {
          const PickleList& item = list(pair, "an item of a dictionary");
          if (item.size() != 2) bad("is damaged: an item of a dictionary has ", item.size(), " parts");
          items.emplace_back(item[0], item[1]);
        }
        return make(std::move(items));
      }
      case Meaning::kSize:
        need(1);
        extents(arguments[0], "a torch.Size");  // bounds the copy
        return make(*arguments[0]);
      case Meaning::kParameter:
        need(1);
        if (!arguments[0]->as<PickleTensor>() && !arguments[0]->as<PickleForeign>()) {
          bad("is damaged: a parameter is built on what is no tensor");
        }
        return make(*arguments[0]);
      case Meaning::kTensor:  // (storage, offset, shape, stride ...)
        need(4);
        return tensor(arguments);
      case Meaning::kFromType: {  // (function, type, its arguments, attributes)
        need(3);
        if (const auto* foreign = arguments[0]->as<PickleForeign>()) return make(*foreign);
        const Global& function = global(arguments[0]);
        if (function.meaning == Meaning::kFromType) bad("is damaged: it calls ", function.name, " by itself");
        return call(function, list(arguments[2], "a call's arguments"));
      }
      case Meaning::kStorage: bad("is damaged: it calls ", callee.module, '.', callee.name);
    }
  }

  // An object of a class, without a call: (class, arguments), or with keywords too.
  void new_object(const PickleList& made) {
    const auto* foreign = made[0]->as<PickleForeign>();
    foreign ? make(*foreign) : reduce({made[0], made[1]});
  }

  void tensor(const PickleList& arguments) {
    if (const auto* foreign = arguments[0]->as<PickleForeign>()) return make(*foreign);
    const auto* storage = arguments[0]->as<PickleStorage>();
    if (!storage) bad("is damaged: a tensor is built on what is no storage");
    if (!storage->dtype) return make(PickleForeign{"torch", storage->type});
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
    top();
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
