#include <cstdio>
#include <memory>

#include "tools/emoengine/commands.h"
#include "tools/emoengine/options.h"
#include "weights/layers.h"
#include "weights/model_file.h"

namespace emo::cli {
namespace {

struct InspectOptions {
  std::string file;
  bool json = false;
  std::size_t max_tensors = limits::kMaxTensors;
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

/// Bytes of all tensors, and their type (the first one's; a file of ours has one type).
void print_tensors(const ModelFile& model) {
  std::size_t bytes = 0, values = 0;
  for (const auto& [name, tensor] : model.tensors().tensors()) {
    bytes += tensor.bytes.size();
    values += tensor.count();
  }
  const auto dtype = name_of(model.tensors().tensors().begin()->second.dtype);
  std::printf("tensors     %zu, %zu weights, %s, %.1f MB\n", model.tensors().tensors().size(), values,
              std::string(dtype).c_str(), double(bytes) / 1e6);
}

void print(const std::vector<LayerSpec>& layers) {
  std::printf("%-18s %-7s %5s %5s  K S P  %-9s %-8s %-14s %8s\n", "layer", "op", "C_in", "C_out", "norm", "act", "output",
              "MFLOP");
  constexpr const char* kActs[] = {"-", "relu", "tanh", "sigmoid"};
  for (const auto& layer : layers) {
    std::printf("%-18s %-7s %5d %5d  %d %d %d  %-9s %-8s %-14s %8.1f\n", layer.key.c_str(),
                layer.op == Op::kConv ? "conv" : "deconv", layer.C_in, layer.C_out, layer.K, layer.S, layer.P,
                layer.norm == Norm::kNone ? "-" : "instance", layer.adds_block_input ? "+input" : kActs[int(layer.act)],
                concat(layer.out).c_str(), 2e-6 * double(layer.macs()));
  }
}

void print(const GeneratorConfig& config) {
  std::printf("faces       %dx%d px, %s in [%g, %g], crop %g x the detector's box, %s resize\n", config.image_size,
              config.image_size, name_of(config.channel_order), config.pixel_min, config.pixel_max, config.crop_scale,
              name_of(config.resize_filter));
  std::printf("AUs         %s, times %g\n", joined(config.au_names).c_str(), config.au_scale);
  std::printf("blend       %s\n",
              config.mask_keeps_image ? "mask * image + (1 - mask) * colour" : "(1 - mask) * image + mask * colour");
  std::printf("cost        %.1f GFLOP an image\n\n", generator_flops(config) / 1e9);
  print(generator_layers(config));
}

void print(const ReaderConfig& config) {
  std::printf("faces       %dx%d px, rgb in [-1, 1], crop %g x the detector's box\n", config.image_size, config.image_size,
              config.crop_scale);
  std::printf("answer      %d landmarks, AUs, and a confidence, from %g on a face\n", kFacePoints,
              config.confidence_threshold);
  std::printf("AUs         %s\n", joined(config.au_names).c_str());
  if (config.triangles > 0) {
    std::printf("motion      %zu AUs move %d landmarks and %d triangles of a photo's own pixels\n", config.au_names.size(),
                kFacePoints, config.triangles);
  }
  std::printf("cost        %.2f GFLOP a look\n\n", reader_flops(config) / 1e9);
  print(reader_layers(config));
}

void print(const SpeechConfig& config) {
  std::printf("features    %d MFCC%s of %d mel bands (%s, %g to %g Hz), every %g ms\n", config.n_mfcc,
              config.deltas ? " with two orders of differences" : "", config.n_mels, name_of(config.mel_scale),
              config.f_min_hz, config.f_max_hz, 1000.0 * config.hop_length / config.sample_rate_hz);
  std::printf("sound       %d Hz, n_fft %d, window %d, hop %d, %s\n", config.sample_rate_hz, config.n_fft, config.win_length,
              config.hop_length, name_of(config.log_mode));
  std::printf("LSTM        %d to %d, %d layer%s, %s, every %d. frame\n", config.features(), config.lstm_hidden,
              config.lstm_layers, config.lstm_layers == 1 ? "" : "s",
              config.bidirectional ? "both directions" : "one direction", config.frame_stride);
  std::printf("cost        %.1f MFLOP a second of speech\n", speech_flops(config, 1) / 1e6);
  std::printf("read-out    %s of the states, window of %g s for per-frame values\n", name_of(config.readout),
              config.readout_window_s);
  if (config.emotion_sharpness > 0)
    std::printf("            drawn to single emotions, sharpness %g\n", config.emotion_sharpness);
  std::printf("AUs         %s\n", joined(config.au_names).c_str());
}

void inspect(const InspectOptions& options) {
  const ModelFile model(options.file, options.max_tensors);
  if (options.json) {
    std::printf("%s\n", model.config_json().c_str());
    return;
  }
  const bool generator = std::holds_alternative<GeneratorConfig>(model.config());
  const bool speech = std::holds_alternative<SpeechConfig>(model.config());
  std::printf("%s: %s%s\n", options.file.c_str(), noun_of(model.config()),
              generator ? " (Model A)"
              : speech  ? " (Model B)"
                        : "");
  print_tensors(model);
  std::visit([](const auto& config) { print(config); }, model.config());
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto* command = add_command(app, "inspect", "show what a weight file holds: settings, layers, sizes, cost",
                              "weights/generator.safetensors");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("file", options->file, "weight file")->required();
  command->add_flag("--json", options->json, "print the file's settings object as it is");
  add_max_tensors(*command, options->max_tensors, "most tensors in the file");
  command->callback([options] { inspect(*options); });
}

}  // namespace emo::cli
