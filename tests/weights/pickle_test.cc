#include "weights/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/limits.h"
#include "tests/throws.h"

namespace emo {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;

Pickle run(const std::string& bytes) { return Pickle(std::as_bytes(std::span(bytes)), "x.pth"); }

std::string error(const std::string& bytes) {
  return text_of(ErrorKind::kModel, [&] { run(bytes); });
}

std::string damaged(const std::string& how) { return "x.pth: its pickle is damaged: " + how; }

// ('storage', torch.FloatStorage, 'k', 'cpu', 9) as a persistent id.
const std::string kStorage =
    "(\x8c\x07storagectorch\nFloatStorage\n\x8c\x01k\x8c\x03"
    "cpuK\x09tQ";

TEST(Pickle, ReadsIntegersOfEverySize) {
  const std::string bytes =
      "\x80\x02(K\xffM\x34\x12J\xfe\xff\xff\xff\x8a\x00\x8a\x01\xff\x8a\x05\x00\x00\x00\x00\x01\x88\x89t."s;
  const Pickle pickle = run(bytes);
  std::vector<std::int64_t> values;
  for (const PickleValue* v : *pickle.root().as<PickleList>()) values.push_back(*v->as<std::int64_t>());
  EXPECT_THAT(values, ElementsAre(255, 0x1234, -2, 0, -1, std::int64_t{1} << 32, 1, 0));
}

TEST(Pickle, EndsAtStop) {
  const std::string bytes = "\x80\x02N.K\x01."s;
  EXPECT_EQ(run(bytes).size(), 4u);
}

TEST(Pickle, MemoGivesTheSameValueBack) {
  for (const std::string& bytes : {"]q\x05]h\x05"
                                   "ah\x05"
                                   "a."s,
                                   "]r\x05\x00\x00\x00]j\x05\x00\x00\x00"
                                   "ah\x05"
                                   "a."s,
                                   "]\x94]h\x00"
                                   "ah\x00"
                                   "a."s}) {
    const Pickle pickle = run(bytes);
    const auto& list = *pickle.root().as<PickleList>();
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0], list[1]);
    EXPECT_EQ(list[0], &pickle.values().front());
  }
}

TEST(Pickle, DictionariesKeepTheirOrder) {
  const std::string bytes =
      "}(\x8c\x01zK\x01\x8c\x01"
      "aK\x02uX\x01\x00\x00\x00mK\x03s."s;
  const Pickle pickle = run(bytes);
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : *pickle.root().as<PickleDict>()) keys.push_back(*key->as<std::string_view>());
  EXPECT_THAT(keys, ElementsAre("z", "a", "m"));
}

TEST(Pickle, TensorOfPyTorch3HasFourArguments) {
  const std::string bytes = "ctorch._utils\n_rebuild_tensor\n(" + kStorage + "K\x01K\x02K\x03\x86K\x03K\x01\x86tR.";
  const Pickle pickle = run(bytes);
  const auto& tensor = *pickle.root().as<PickleTensor>();
  EXPECT_EQ(tensor.storage.key, "k");
  EXPECT_EQ(tensor.storage.dtype, DType::kF32);
  EXPECT_EQ(tensor.storage.count, 9);
  EXPECT_EQ(tensor.offset, 1);
  EXPECT_THAT(tensor.shape, ElementsAre(2, 3));
  EXPECT_THAT(tensor.stride, ElementsAre(3, 1));
}

TEST(Pickle, LegacyStorageMayBeAViewOfAnother) {
  const std::string bytes =
      "(\x8c\x07storagectorch\nHalfStorage\n\x8c\x01k\x8c\x03"
      "cpuK\x09(\x8c\x01vK\x02K\x04ttQ.";
  const Pickle pickle = run(bytes);
  const auto& storage = *pickle.root().as<PickleStorage>();
  EXPECT_EQ(storage.dtype, DType::kF16);
  EXPECT_EQ(storage.first, 2);
  EXPECT_EQ(storage.count, 4);
}

/// "module.name" of an inert object; "no" of what is none.
std::string foreign(const std::string& bytes) {
  const Pickle pickle = run(bytes);
  const auto* found = pickle.root().as<PickleForeign>();
  return found ? std::string(found->module) + "." + std::string(found->name) : "no";
}

TEST(Pickle, ForeignGlobalsAreInertWhateverIsDoneWithThem) {
  for (const char* import : {"cos\nsystem\n", "\x8c\x02os\x8c\x06system\x93"}) {
    const std::string global = import;
    EXPECT_EQ(foreign(global + "."), "os.system");
    EXPECT_EQ(foreign(global + "\x8c\x07rm -r /\x85R."), "os.system");  // called
    EXPECT_EQ(foreign(global + ")\x81."), "os.system");                 // an object of it
    EXPECT_EQ(foreign(global + ")}\x92."), "os.system");                // with keywords
    EXPECT_EQ(foreign(global + ")R}b."), "os.system");                  // attributes set
    EXPECT_EQ(foreign(global + ")RNa(NNe(NNu."), "os.system");          // appended to
    EXPECT_EQ(foreign(global + ")R(NNeNNs(NNNNu."), "os.system");       // items set
  }
  EXPECT_EQ(foreign("ctorch.storage\n_load_from_bytes\nN\x85R."), "torch.storage._load_from_bytes");
}

TEST(Pickle, TensorsOnWhatCannotBeReadAreInert) {
  const std::string storage =
      "(\x8c\x07storagectorch\nCharStorage\n\x8c\x01k\x8c\x03"
      "cpuK\x09tQ";
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x01K\x02\x85K\x01\x85tR";
  EXPECT_EQ(foreign(tensor + "."), "torch.CharStorage");
  EXPECT_EQ(foreign("ctorch._utils\n_rebuild_parameter\n" + tensor + "\x85R."), "torch.CharStorage");
  EXPECT_EQ(foreign("ctorch._utils\n_rebuild_sparse_tensor\n" + tensor + "\x85R."), "torch._utils._rebuild_sparse_tensor");
}

TEST(Pickle, TensorsWithAttributesAreTensors) {
  const std::string arguments = "(" + kStorage + "K\x01K\x02\x85K\x01\x85t";
  const Pickle pickle = run("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nNctorch\nTensor\n0" +
                            arguments + "}tR.");
  ASSERT_TRUE(pickle.root().as<PickleTensor>());
  EXPECT_THAT(pickle.root().as<PickleTensor>()->shape, ElementsAre(2));
  // Its arguments call it again, for ever.
  EXPECT_EQ(error("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)tR."),
            damaged("it calls _rebuild_from_type_v2 by itself"));
}

TEST(Pickle, DictionariesOfEveryKindKeepTheirItems) {
  for (const std::string& bytes : {"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R\x8c\x01wK\x01s."s,
                                   "ccollections\nOrderedDict\n]]\x8c\x01w"
                                   "aK\x01"
                                   "aa\x85R."s}) {
    const Pickle pickle = run(bytes);
    const auto* items = pickle.root().as<PickleDict>();
    ASSERT_TRUE(items) << bytes;
    ASSERT_EQ(items->size(), 1u);
    EXPECT_EQ(*items->at(0).second->as<std::int64_t>(), 1);
  }
}

TEST(Pickle, BytesAndSetsArePassedOver) {
  for (const std::string& value : {"C\x01x"s, "B\x01\0\0\0x"s, "\x8e\x01\0\0\0\0\0\0\0x"s, "\x96\x01\0\0\0\0\0\0\0x"s,
                                   "\x8f(K\x01\x90"s, "(K\x01\x91"s, "\x8b\x09\0\0\0"s + "123456789"}) {
    const Pickle pickle = run("\x80\x05" + value + ".");
    EXPECT_TRUE(pickle.root().as<PickleOther>()) << value;
  }
  const std::string bytes = "\x80\x02U\x01x.";  // a string of Python 2; what was read points into it
  const Pickle old = run(bytes);
  EXPECT_EQ(*old.root().as<std::string_view>(), "x");
}

TEST(Pickle, ForeignOpcodesAreNamed) {
  const std::string advice = ", which torch.save does not write. In PyTorch, save model.state_dict() alone";
  EXPECT_EQ(error("\x80\x02(i"), "x.pth: its pickle has opcode 105 at byte 3" + advice);  // INST
  EXPECT_EQ(error("\x82\x01."), "x.pth: its pickle has opcode 130 at byte 0" + advice);   // EXT1
}

TEST(Pickle, OnlyKnownProtocolsAreRead) {
  EXPECT_EQ(error("\x80\x06N."), "x.pth: its pickle has protocol 6; 2 to 5 are read");
}

TEST(Pickle, CallsOnlyWhereStateDictsHaveThem) {
  EXPECT_EQ(error("N)R."), damaged("it calls what cannot be called"));
  EXPECT_EQ(error("ctorch\nFloatStorage\n)R."), damaged("it calls torch.FloatStorage"));
  EXPECT_EQ(error("ccollections\nOrderedDict\n])a\x85R."), damaged("an item of a dictionary has 0 parts"));
  EXPECT_EQ(error("ctorch._utils\n_rebuild_parameter\nN\x85R."), damaged("a parameter is built on what is no tensor"));
  EXPECT_EQ(error("ctorch._utils\n_rebuild_tensor_v2\n)R."), damaged("_rebuild_tensor_v2 gets 0 arguments; 4 are needed"));
}

TEST(Pickle, DamageIsNamed) {
  EXPECT_EQ(error("0."), damaged("it takes from an empty stack at byte 0"));
  EXPECT_EQ(error("N(0."), damaged("it takes from an empty stack at byte 2"));
  EXPECT_EQ(error("Nt."), damaged("it looks for a mark that is not there at byte 1"));
  EXPECT_EQ(error("h\x03."), damaged("it recalls entry 3, which it never kept"));
  EXPECT_EQ(error("NNa."), damaged("it appends to what is no list"));
  EXPECT_EQ(error("]NNs."), damaged("it sets items of what is no dictionary, or half an item"));
  EXPECT_EQ(error("}(Nu."), damaged("it sets items of what is no dictionary, or half an item"));
  EXPECT_EQ(error("NN\x93."), damaged("it names a global by what is no string"));
  EXPECT_EQ(error("NQ."), damaged("a persistent id is no tuple"));
  EXPECT_EQ(error(")Q."), damaged("a persistent id is no storage"));
  EXPECT_EQ(error("(\x8c\x07storagectorch\nSize\n\x8c\x01k\x8c\x03"
                  "cpuK\x09tQ."),
            damaged("torch.Size is no storage type"));
  EXPECT_EQ(error("(\x8c\x07storagectorch\nByteStorage\nN\x8c\x03"
                  "cpuK\x09tQ."),
            damaged("a storage's key is no string"));
  EXPECT_EQ(error("(\x8c\x07storagectorch\nByteStorage\n\x8c\x01k\x8c\x03"
                  "cpuNtQ."),
            damaged("a storage's size is no integer"));
  EXPECT_EQ(error("(\x8c\x07storagectorch\nByteStorage\n\x8c\x01k\x8c\x03"
                  "cpuK\x09)tQ."),
            damaged("a storage's view has 0 items; 3 are needed"));
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(";
  EXPECT_EQ(error(tensor + "NK\x01K\x02\x85K\x01\x85tR."), damaged("a tensor is built on what is no storage"));
  EXPECT_EQ(error(tensor + kStorage + "K\x01K\x02\x85)tR."), damaged("a tensor has 1 extents and 0 strides"));
  EXPECT_EQ(error(tensor + kStorage + "K\x01(NNNNNNNNNt)tR."),
            "x.pth: its pickle has a tensor of 9 dimensions; at most 8 are read");
  EXPECT_EQ(error("X\xff\xff\xff\xff"s),
            "x.pth: is truncated: 4294967295 bytes are needed at 5, 0 are there. "
            "Copy or download it again");
}

TEST(Pickle, EveryTruncationIsAnError) {
  const std::string whole = "\x80\x02}\x8c\x01wctorch._utils\n_rebuild_tensor\n(" + kStorage + "K\x01K\x02\x85K\x01\x85tRs.";
  run(whole);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_TRUE(error(whole.substr(0, length)).starts_with("x.pth: is truncated: ")) << length;
  }
}

TEST(Pickle, TheNumberOfOperationsIsBounded) {
  EXPECT_EQ(error(std::string(limits::kMaxPickleOperations, 'N') + "."),
            "x.pth: its pickle is longer than 1048576 operations");
}

}  // namespace
}  // namespace emo
