#include "engine/installation.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/version.h"

namespace emo {
namespace {

std::string refusal(const std::filesystem::path& plugin) {
  try {
    open_plugin(plugin, "emo_test_v1", "test: the plug-in", "Install it");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kDevice);
    return e.what();
  }
  return "no error";
}

TEST(Plugin, AnotherVersionIsRefusedByBothNumbersAndTheFile) {
  EXPECT_EQ(refusal(EMO_PLUGIN_OF_ANOTHER_VERSION),
            std::string("test: the plug-in cannot be used: ") + EMO_PLUGIN_OF_ANOTHER_VERSION +
                " is of version 0.0.1-other, and emoengine of " + version() + "; install both from the same release");
}

TEST(Plugin, MissingFileIsNamedWithTheAdvice) {
  EXPECT_EQ(refusal("/nowhere/libemo_test.so"),
            "test: the plug-in cannot be loaded (/nowhere/libemo_test.so: cannot open shared object file: No such file or "
            "directory). Install it");
}

TEST(Installation, ModelsAreFoundRelativeToTheProgram) {
  EXPECT_TRUE(std::filesystem::exists(default_weights("generator.safetensors")));
}

TEST(Installation, MissingModelNamesThePlaces) {
  const auto build = std::filesystem::canonical("/proc/self/exe").parent_path().parent_path();
  try {
    default_weights("x.safetensors");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.what(), "weights: x.safetensors is neither at " +
                            (build / "share/emoengine/weights/x.safetensors").string() + " nor at " +
                            (build.parent_path() / "share/emoengine/weights/x.safetensors").string() +
                            "; install the models there, or name a weight file");
  }
}

}  // namespace
}  // namespace emo
