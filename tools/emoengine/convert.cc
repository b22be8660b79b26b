#include "weights/convert.h"

#include <cstdio>
#include <memory>

#include "tools/emoengine/commands.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"

namespace emo::cli {
namespace {

struct Options {
  std::string in, out, config;
  Layout layout = Layout::kAuto;
  std::optional<std::string> prefix;
  std::string dtype = "source";
  std::size_t max_tensors = limits::kMaxTensors;
  bool quiet = false;
};

const std::map<std::string, Layout> kLayouts = {
    {"auto", Layout::kAuto},           {"albertpumarola", Layout::kAlbertpumarola},
    {"donydchen", Layout::kDonydchen}, {"vipermu", Layout::kVipermu},
    {"speech", Layout::kSpeech},       {"reader", Layout::kReader}};
const std::map<std::string, DType> kDTypes = {{"fp32", DType::kF32}, {"fp16", DType::kF16}, {"bf16", DType::kBF16}};

void convert(const Options& options) {
  ConvertOptions how{
      .layout = options.layout, .prefix = options.prefix, .config = options.config, .max_tensors = options.max_tensors};
  if (options.dtype != "source") how.dtype = kDTypes.at(options.dtype);
  Outputs outputs;
  outputs.keep(options.in);
  outputs.keep(options.config);
  outputs.add_file(options.out);
  const auto report = emo::convert(options.in, options.out, how);
  if (options.quiet) return;
  for (const auto& note : report.notes) std::printf("note: %s\n", note.c_str());
  for (const auto& [name, layout] : kLayouts) {
    if (layout == report.layout) {
      std::printf("%s: %zu tensors from a checkpoint in the %s layout\n", options.out.c_str(), report.tensors, name.c_str());
    }
  }
}

}  // namespace

void add_convert(CLI::App& app) {
  auto* command = add_command(app, "convert", "make a weight file from a PyTorch checkpoint, without Python",
                              "checkpoint.pth -o mine.safetensors --dtype fp16");
  auto options = std::make_shared<Options>();
  command->add_option("checkpoint", options->in, "torch.save file (zip or legacy) or safetensors state dict")->required();
  command->add_option("--out,-o", options->out, "weight file to write: OUT.safetensors")->required();
  add_choice(*command, "--layout", options->layout, kLayouts, "whose key names it uses [default: auto]");
  command->add_option("--prefix", options->prefix, "of several models, the one whose keys begin so: G_ema/");
  command->add_option("--config", options->config, "JSON with what shapes cannot tell; the keys that inspect --json prints");
  command->add_option("--dtype", options->dtype, "type of the weights written")
      ->capture_default_str()
      ->check(CLI::IsMember({"source", "fp32", "fp16", "bf16"}));
  add_max_tensors(*command, options->max_tensors, "refuse checkpoints with more tensors");
  command->add_flag("--quiet,-q", options->quiet, "print nothing but errors");
  command->callback([options] { convert(*options); });
}

}  // namespace emo::cli
