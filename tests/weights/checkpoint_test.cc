#include "weights/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/temp_dir.h"
#include "tests/throws.h"
#include "weights/safetensors.h"

namespace emo {
namespace {

const std::filesystem::path kFolder = EMO_SOURCE_DIR "/tests/golden/checkpoints";

std::string error(const std::string& bytes, std::size_t max_tensors = limits::kMaxTensors) {
  return text_of(ErrorKind::kModel, [&] { Checkpoint(std::as_bytes(std::span(bytes)), "x.pth", max_tensors); });
}

std::string hostile(const std::string& file) { return error(read_file(kFolder / "hostile" / file)); }

/// Each tensor of `expected` is in `checkpoint`, byte for byte, and no other.
void expect_tensors(const Checkpoint& checkpoint, const std::string& expected) {
  const SafeTensors wanted(kFolder / expected);
  ASSERT_EQ(checkpoint.tensors().size(), wanted.tensors().size());
  for (const auto& [key, want] : wanted.tensors()) {
    ASSERT_TRUE(checkpoint.tensors().contains(key)) << key;
    const CheckpointTensor& got = checkpoint.tensors().at(key);
    EXPECT_EQ(got.dtype, want.dtype) << key;
    EXPECT_EQ(got.shape, want.shape) << key;
    EXPECT_TRUE(std::ranges::equal(got.contiguous(), want.bytes)) << key;
  }
}

class ViewsTest : public testing::TestWithParam<const char*> {};

// Shared storages, transposed, sliced, strided, permuted and expanded views, a scalar, a Parameter, every type.
TEST_P(ViewsTest, EveryFormatGivesTheSameTensors) { expect_tensors(Checkpoint(kFolder / GetParam()), "views.safetensors"); }

INSTANTIATE_TEST_SUITE_P(Checkpoint, ViewsTest,
                         testing::Values("views.pth", "views_protocol4.pth", "views_legacy.pth", "views.safetensors"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST(Checkpoint, SharedStoragesAreNotCopied) {
  const Checkpoint checkpoint(kFolder / "views.pth");
  const auto& tensors = checkpoint.tensors();
  EXPECT_EQ(tensors.at("a/base").storage.data(), tensors.at("a/transposed").storage.data());
  EXPECT_EQ(tensors.at("a/base").storage.data(), tensors.at("b/again").storage.data());
}

TEST(Checkpoint, EveryTruncationIsAnError) {
  for (const char* file : {"views.pth", "views_legacy.pth", "views.safetensors"}) {
    const std::string whole = read_file(kFolder / file);
    for (std::size_t length = 0; length < whole.size(); length += 7) {
      EXPECT_TRUE(error(whole.substr(0, length)).starts_with("x.pth: ")) << file << ' ' << length;
    }
  }
  const std::string legacy = read_file(kFolder / "views_legacy.pth");
  EXPECT_TRUE(error(legacy.substr(0, legacy.size() - 1)).starts_with("x.pth: is truncated: "));
}

TEST(Checkpoint, ForeignCodeIsNamedAndNeverRun) {
  for (const char* file : {"os_system.pth", "os_system_legacy.pth", "os_system_protocol4.pth"}) {
    EXPECT_EQ(hostile(file), "x.pth: holds no tensors under names, but w, a posix.system; a state dict is needed") << file;
  }
  EXPECT_EQ(hostile("whole_module.pth"),
            "x.pth: is a whole torch.nn.modules.linear.Linear, of which only Python code can make sense; a state dict is "
            "needed. In PyTorch: torch.save(model.state_dict(), OUT)");
}

// NumPy numbers and arrays, a Namespace, a path, a date, a device, sets, bytes, and tensors of unusual kinds.
TEST(Checkpoint, WhatLiesBesideTheWeightsIsPassedOver) {
  for (const char* file : {"objects.pth", "objects_protocol5.pth", "objects_legacy.pth"}) {
    const Checkpoint checkpoint(kFolder / file);
    // The usual tensors among those of unusual kinds are none: int8, int16, complex, sparse, quantized.
    expect_tensors(checkpoint, "objects.safetensors");
    EXPECT_EQ(checkpoint.foreign().at("options"), "argparse.Namespace") << file;
    EXPECT_EQ(checkpoint.foreign().at("strange/int8"), "torch.CharStorage") << file;
  }
  EXPECT_EQ(Checkpoint(kFolder / "objects.pth").foreign().at("strange/sparse"), "torch._utils._rebuild_sparse_tensor");
}

TEST(Checkpoint, TorchScriptIsNamed) {
  EXPECT_EQ(hostile("torchscript.pt"),
            "x.pth: is a TorchScript archive; a state dict is needed. "
            "In PyTorch: torch.save(torch.jit.load(FILE).state_dict(), OUT)");
}

TEST(Checkpoint, BigEndianFilesAreRefused) {
  const std::string text = "x.pth: was written on a big-endian machine; save it again on a little-endian one";
  EXPECT_EQ(hostile("big_endian.pth"), text);
  std::string legacy = read_file(kFolder / "views_legacy.pth");
  const auto at = legacy.find("little_endian");
  legacy[legacy.find('\x88', at)] = '\x89';  // NEWTRUE, NEWFALSE
  EXPECT_EQ(error(legacy), text);
}

TEST(Checkpoint, TensorsStayInsideTheirStorage) {
  const auto outside = [](const std::string& shape) {
    return "x.pth: damaged checkpoint: w of shape " + shape +
           " reaches outside its storage of 4 elements. "
           "Copy or download it again";
  };
  EXPECT_EQ(hostile("outside.pth"), outside("(5)"));
  EXPECT_EQ(hostile("outside_offset.pth"), outside("(1)"));
  EXPECT_EQ(hostile("outside_stride.pth"), outside("(2,2)"));
  EXPECT_EQ(hostile("negative_stride.pth"), outside("(2)"));
  EXPECT_EQ(hostile("overflow.pth"), outside("(8589934592,8589934592)"));
  EXPECT_EQ(hostile("wraps_round.pth"), outside("(3,3)"));
}

TEST(Checkpoint, StoragesMustBeThereAndWhole) {
  EXPECT_EQ(hostile("no_storage.pth"),
            "x.pth: damaged checkpoint: w needs storage '../0', which is not in the file. "
            "Copy or download it again");
  EXPECT_EQ(hostile("short_storage.pth"),
            "x.pth: damaged checkpoint: storage '0' of w has 4 elements; 8 from 0 are needed. "
            "Copy or download it again");
}

TEST(Checkpoint, DictionariesThatHoldThemselvesEnd) {
  EXPECT_EQ(hostile("recursion.pth").substr(0, 45), "x.pth: damaged checkpoint: self/self/self/sel");
  EXPECT_NE(hostile("recursion.pth").find(" is a dictionary 16 levels deep; it may hold itself"), std::string::npos);
  EXPECT_NE(hostile("many_paths.pth").find(" makes over 1048576 entries"), std::string::npos);
}

TEST(Checkpoint, LongKeysAreRefused) {
  std::string bytes = read_file(kFolder / "views_legacy.pth");
  std::string key = "every_second", length("\x0c\0\0\0", 4);
  const auto at = bytes.find(length + key);
  const std::uint32_t longer = 1025;
  bytes.replace(at, 4 + key.size(), std::string(reinterpret_cast<const char*>(&longer), 4) + std::string(longer, 'k'));
  EXPECT_EQ(error(bytes), "x.pth: damaged checkpoint: a key is longer than 1024 bytes. Copy or download it again");
}

TEST(Checkpoint, OtherFilesAreNamed) {
  const std::string neither = "x.pth: is no checkpoint; a file written by torch.save or a safetensors file is needed";
  EXPECT_EQ(error("#!/bin/sh\n"), neither);
  EXPECT_EQ(error("\x80\x02N."), neither);
  EXPECT_EQ(hostile("no_tensors.pth"), "x.pth: holds no tensors under names; a state dict is needed");
  EXPECT_EQ(hostile("compressed.pth"),
            "x.pth: entry 'x/byteorder' is compressed or encrypted; torch.save stores entries as they are. "
            "Load the file in PyTorch and save it again");
  const std::string empty_zip("PK\3\4PK\5\6" + std::string(18, '\0'));
  EXPECT_EQ(error(empty_zip), "x.pth: is a zip archive without data.pkl; one written by torch.save is needed");
}

TEST(Checkpoint, DamagedLegacyFilesAreNamed) {
  const std::string whole = read_file(kFolder / "views_legacy.pth");
  const auto with = [&](const std::string& from, const std::string& to, bool last) {
    std::string bytes = whole;
    bytes.replace(last ? bytes.rfind(from) : bytes.find(from), from.size(), to);
    return error(bytes);
  };
  EXPECT_EQ(with("M\xe9\x03", "M\xea\x03", false), "x.pth: has an unknown protocol; torch.save writes 1001");
  const std::string again = ". Copy or download it again";
  EXPECT_EQ(with("\x80\x02]q", "\x80\x02}q", true).substr(0, 36), "x.pth: its pickle is damaged: it app");
  EXPECT_EQ(with("\x80\x02]q", "\x80\x02N.q", true), "x.pth: damaged checkpoint: the list of storages is missing" + again);
  std::string unused = whole;
  const auto list = unused.rfind("\x80\x02]q");
  const auto key = unused.find('X', list);
  unused[key + 5] = 'z';
  EXPECT_EQ(error(unused), "x.pth: damaged checkpoint: it lists a storage that nothing uses" + again);
}

TEST(Checkpoint, TheNumberOfTensorsIsBounded) {
  const std::string bytes = read_file(kFolder / "views.pth");
  EXPECT_EQ(error(bytes, 18), "(no error)");
  EXPECT_EQ(error(bytes, 17), "x.pth: holds more than 17 tensors. Raise `max_tensors` to take it");
}

TEST(Checkpoint, AMissingFileIsNamed) {
  EXPECT_EQ(text_of(ErrorKind::kModel, [] { Checkpoint("/no/such/file.pth"); }),
            "/no/such/file.pth: cannot be opened: No such file or directory. Check the path and its permissions");
}

}  // namespace
}  // namespace emo
