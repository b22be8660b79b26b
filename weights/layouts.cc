#include "weights/layouts.h"

#include <array>
#include <set>

#include "base/error.h"
#include "base/limits.h"
#include "weights/layers.h"
#include "weights/safetensors.h"

namespace emo {
namespace {

// The key that gives a layout away.
struct Signature {
  Layout layout;
  std::string_view key;
};

constexpr std::array<Signature, 5> kSignatures = {{{Layout::kAlbertpumarola, "img_reg.0.weight"},
                                                   {Layout::kDonydchen, "color_top.0.weight"},
                                                   {Layout::kVipermu, "im_reg.0.weight"},
                                                   {Layout::kSpeech, "weight_ih_l0"},
                                                   {Layout::kReader, "answer.weight"}}};

/// Our name of a generator's tensor in its authors' spelling.
std::string spelt(Layout layout, std::string name) {
  const auto replace = [&](std::string_view ours, std::string_view theirs) {
    if (const auto at = name.find(ours); at != std::string::npos) name.replace(at, ours.size(), theirs);
  };
  if (layout == Layout::kVipermu) {
    replace("img_reg.", "im_reg.");
    replace("attetion_reg.", "im_att.");
  } else if (layout == Layout::kDonydchen) {
    replace(".main.", ".conv_block.");
    replace("main.", "model.");
    replace("img_reg.", "color_top.");
    replace("attetion_reg.", "au_top.");
  }
  return name;
}

/// The checkpoint with the checks that every look-up needs.
class Source {
 public:
  explicit Source(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::kModel, checkpoint_.name(), ": ", parts...);
  }

  bool has(const std::string& key) const { return checkpoint_.tensors().contains(key); }

  const std::vector<std::int64_t>& shape(const std::string& key, std::size_t rank, const char* what) const {
    const auto found = checkpoint_.tensors().find(key);
    if (found == checkpoint_.tensors().end()) refuse(absent(key), "; ", what, " is needed there");
    if (found->second.shape.size() != rank) {
      refuse(printable(key), " has shape ", to_string(found->second.shape), "; ", what, " is needed there");
    }
    return found->second.shape;
  }

  void expect(const std::string& key, const TensorSpec& spec, const char* model) const {
    const auto found = checkpoint_.tensors().find(key);
    if (found == checkpoint_.tensors().end()) {
      refuse(absent(key), "; the ", model, " needs it, ", to_string(spec.shape));
    }
    if (found->second.shape != spec.shape) {
      refuse(printable(key), " has shape ", to_string(found->second.shape), "; the ", model, " needs ",
             to_string(spec.shape));
    }
  }

 private:
  /// Why there is no tensor of this name.
  std::string absent(const std::string& key) const {
    const auto foreign = checkpoint_.foreign().find(key);
    if (foreign == checkpoint_.foreign().end()) return printable(key) + " is missing";
    return concat(printable(key), " is a ", foreign->second, ", which cannot be read");
  }

  const Checkpoint& checkpoint_;
};

int count_while(const std::string& before, const std::string& after, const Source& source, int first, int at_most) {
  int count = 0;
  while (count <= at_most && source.has(concat(before, first + count, after))) ++count;
  return count;
}

FoundModel generator(const Source& source, Layout layout, const std::string& prefix) {
  const std::string stem = prefix + (layout == Layout::kDonydchen ? "model." : "main.");
  const auto& shape = source.shape(stem + "0.weight", 4, "a convolution (filters,3+AUs,7,7)");
  if (shape[1] <= 3 || shape[1] - 3 > limits::kMaxAus || shape[0] > limits::kMaxConvDim) {
    source.refuse(printable(stem), "0.weight has shape ", to_string(shape), "; up to ", limits::kMaxConvDim,
                  " filters of 3 colours and 1 to ", limits::kMaxAus, " AUs are taken");
  }
  GeneratorConfig config;
  config.conv_dim = int(shape[0]);
  config.res_blocks = count_while(stem, spelt(layout, ".main.0.weight"), source, 9, limits::kMaxResBlocks);
  // A weight file of ours made from donydchen's layout has albertpumarola's names, but no scale and shift.
  config.norm_affine = layout != Layout::kDonydchen && source.has(stem + "1.weight");
  return {layout, prefix, config, {"format", "kind", "conv_dim", "res_blocks", "norm_affine"}, int(shape[1] - 3), 0};
}

FoundModel speech(const Source& source, const std::string& prefix) {
  const auto& input = source.shape(prefix + "weight_ih_l0", 2, "an LSTM's (4*hidden,features)");
  const auto& hidden = source.shape(prefix + "weight_hh_l0", 2, "an LSTM's (4*hidden,hidden)");
  if (hidden[1] > limits::kMaxLstmHidden || hidden[0] != 4 * hidden[1] || input[0] != hidden[0] ||
      input[1] > 3 * limits::kMaxMels) {
    source.refuse(printable(prefix), "weight_ih_l0 has shape ", to_string(input), " and weight_hh_l0 ", to_string(hidden),
                  "; an LSTM has (4*hidden,features) and (4*hidden,hidden), hidden up to ", limits::kMaxLstmHidden);
  }
  SpeechConfig config;
  config.lstm_hidden = int(hidden[1]);
  config.lstm_layers = count_while(prefix + "weight_ih_l", "", source, 0, limits::kMaxLstmLayers);
  config.bidirectional = source.has(prefix + "weight_ih_l0_reverse");
  return {Layout::kSpeech, prefix, config, {"format", "kind", "lstm_hidden", "lstm_layers", "bidirectional"}, 0,
          int(input[1])};
}

FoundModel reader(const Source& source, const std::string& prefix) {
  ReaderConfig config;
  config.channels.clear();
  for (int i = 0; i <= limits::kMaxReaderLayers; ++i) {
    const std::string key = concat(prefix, "main.", 3 * i, ".weight");
    if (i > 0 && !source.has(key)) break;
    const auto& shape = source.shape(key, 4, "a convolution (filters,channels,3,3)");
    if (shape[0] > limits::kMaxReaderChannels) {
      source.refuse(printable(key), " has shape ", to_string(shape), "; up to ", limits::kMaxReaderChannels,
                    " filters are taken");
    }
    config.channels.push_back(int(shape[0]));
  }
  config.strides.resize(config.channels.size(), 1);  // other ones are the user's to say
  if (const std::string key = prefix + "motion.triangles"; source.has(key)) {
    const auto& shape = source.shape(key, 2, "a list of triangles (triangles,3)");
    if (shape[0] < 1 || shape[0] > limits::kMaxFaceTriangles) {
      source.refuse(printable(key), " has shape ", to_string(shape), "; 1 to ", limits::kMaxFaceTriangles,
                    " triangles are taken");
    }
    config.triangles = int(shape[0]);
  }
  return {Layout::kReader, prefix, config, {"format", "kind", "channels", "triangles"}, 0, 0};
}

/// The keys of one dictionary that begin with `prefix`, without it.
std::vector<std::string> keys_under(const Checkpoint& checkpoint, const std::string& prefix) {
  std::vector<std::string> keys;
  for (auto it = checkpoint.tensors().lower_bound(prefix); it != checkpoint.tensors().end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    if (it->first.find('/', prefix.size()) == std::string::npos) keys.push_back(it->first.substr(prefix.size()));
  }
  return keys;
}

std::map<std::string, std::string> map_generator(const Checkpoint& checkpoint, const FoundModel& model,
                                                 const GeneratorConfig& config, std::vector<std::string>& notes) {
  const Source source(checkpoint);
  std::map<std::string, std::string> mapped;
  std::set<std::string> used, cancelled;
  for (const TensorSpec& spec : generator_tensors(config)) {
    const std::string key = spelt(model.layout, spec.name);
    source.expect(model.prefix + key, spec, "generator");
    mapped[spec.name] = model.prefix + key;
    used.insert(key);
  }
  for (const LayerSpec& layer : generator_layers(config)) {
    if (layer.norm != Norm::kNone) cancelled.insert(spelt(model.layout, layer.key + ".bias"));
  }

  int statistics = 0, biases = 0, copies = 0;
  for (const std::string& key : keys_under(checkpoint, model.prefix)) {
    if (used.contains(key)) continue;
    if (model.layout == Layout::kVipermu && key.starts_with("debug")) {
      ++copies;
    } else if (key.ends_with(".num_batches_tracked") || key.ends_with(".running_var")) {
      continue;  // beside a running_mean
    } else if (key.ends_with(".running_mean")) {
      ++statistics;
    } else if (cancelled.contains(key)) {
      ++biases;
    } else {
      source.refuse(printable(model.prefix + key), " is not part of the layout ", name_of(model.layout),
                    "; this is another network, or needs another `layout`");
    }
  }
  if (statistics > 0) {
    notes.push_back(concat("running statistics of ", statistics,
                           " layers left out: the published code normalises by each picture's own"));
  }
  if (biases > 0) {
    notes.push_back(concat(biases, " convolution biases left out: the InstanceNorm after each takes a constant away again"));
  }
  if (copies > 0) notes.push_back(concat(copies, " tensors under debug* left out: copies of the layers under main"));
  return mapped;
}

/// The fully connected layer: of all the linear layers on the LSTM's states, the one with a row for each AU.
std::string find_linear(const Checkpoint& checkpoint, const std::string& scope, std::int64_t states, std::int64_t aus) {
  constexpr std::string_view kWeight = ".weight";
  std::string all, fitting;
  int count = 0;
  for (const std::string& key : keys_under(checkpoint, scope)) {
    if (!key.ends_with(kWeight)) continue;
    const std::string name = scope + key.substr(0, key.size() - kWeight.size());
    const auto& shape = checkpoint.tensors().at(scope + key).shape;
    const auto bias = checkpoint.tensors().find(name + ".bias");
    if (shape.size() != 2 || bias == checkpoint.tensors().end()) continue;
    all += concat(all.empty() ? "" : ", ", printable(name), ' ', to_string(shape));
    if (shape[1] == states && shape[0] == aus) {
      fitting = name;
      ++count;
    }
  }
  if (count != 1) {
    Source(checkpoint)
        .refuse(count == 0 ? "no" : "more than one", " linear layer gives ", aus, " AUs from ", states,
                " LSTM states; of those with a bias it has ", all.empty() ? "none" : all,
                ". Exactly one must fit au_names of `config`");
  }
  return fitting;
}

std::map<std::string, std::string> map_speech(const Checkpoint& checkpoint, const FoundModel& model,
                                              const SpeechConfig& config, std::vector<std::string>& notes) {
  const Source source(checkpoint);
  const std::string scope = model.prefix.substr(0, model.prefix.rfind('/') + 1);
  const int states = config.lstm_hidden * (config.bidirectional ? 2 : 1);
  const std::string linear = find_linear(checkpoint, scope, states, std::int64_t(config.au_names.size()));

  std::map<std::string, std::string> mapped;
  std::set<std::string> used;
  for (const TensorSpec& spec : speech_tensors(config)) {
    const std::string_view name = spec.name;
    const auto dot = name.find('.');
    const std::string key =
        name.starts_with("lstm.") ? concat(model.prefix, name.substr(dot + 1)) : concat(linear, name.substr(dot));
    source.expect(key, spec, "speech model");
    mapped[spec.name] = key;
    used.insert(key);
  }
  std::string others;
  for (const std::string& rest : keys_under(checkpoint, scope)) {
    const std::string key = scope + rest;
    if (used.contains(key)) continue;
    if (key.starts_with(model.prefix + "weight_") || key.starts_with(model.prefix + "bias_")) {
      source.refuse(printable(key), " is not part of an LSTM of ", config.lstm_layers, " layers",
                    "; projections and other recurrent layers are not taken");
    }
    others += concat(others.empty() ? "" : ", ", printable(key));
  }
  if (!others.empty()) notes.push_back("left out, neither LSTM nor the layer that gives the AUs: " + others);
  return mapped;
}

std::map<std::string, std::string> map_reader(const Checkpoint& checkpoint, const FoundModel& model,
                                              const ReaderConfig& config) {
  const Source source(checkpoint);
  std::map<std::string, std::string> mapped;
  std::set<std::string> used;
  for (const TensorSpec& spec : reader_tensors(config)) {
    source.expect(model.prefix + spec.name, spec, "face reader");
    mapped[spec.name] = model.prefix + spec.name;
    used.insert(spec.name);
  }
  for (const std::string& key : keys_under(checkpoint, model.prefix)) {
    if (used.contains(key)) continue;
    source.refuse(printable(model.prefix + key),
                  " is not part of a face reader; fold its batch norms into the convolutions");
  }
  return mapped;
}

}  // namespace

std::string_view name_of(Layout layout) {
  switch (layout) {
    case Layout::kAuto: return "auto";
    case Layout::kAlbertpumarola: return "albertpumarola";
    case Layout::kDonydchen: return "donydchen";
    case Layout::kVipermu: return "vipermu";
    case Layout::kSpeech: return "speech";
    case Layout::kReader: return "reader";
  }
  return "?";
}

FoundModel find_model(const Checkpoint& checkpoint, Layout wanted, const std::optional<std::string>& prefix) {
  std::vector<std::pair<Layout, std::string>> found, others;  // others: not under the prefix
  std::string known;
  const auto is_wanted = [&](const std::string& under) {
    if (!prefix || under == *prefix) return true;
    if (prefix->empty() || !under.starts_with(*prefix)) return false;
    return std::string_view("./").find(under[prefix->size()]) != std::string_view::npos ||
           std::string_view("./").find(prefix->back()) != std::string_view::npos;
  };
  for (const auto& [layout, signature] : kSignatures) {
    if (wanted != Layout::kAuto && wanted != layout) continue;
    known += concat(known.empty() ? "" : ", ", signature, " (", name_of(layout), ')');
    for (const auto& [key, tensor] : checkpoint.tensors()) {
      if (!key.ends_with(signature)) continue;
      const std::string under = key.substr(0, key.size() - signature.size());
      if (!under.empty() && !under.ends_with('.') && !under.ends_with('/')) continue;
      (is_wanted(under) ? found : others).emplace_back(layout, under);
    }
  }
  const Source source(checkpoint);
  const auto listed = [](const auto& models) {
    std::string list;
    for (const auto& [layout, under] : models) {
      list += concat(list.empty() ? "" : ", ", name_of(layout), " under '", printable(under), "'");
    }
    return list;
  };
  if (found.empty() && !others.empty()) {
    source.refuse("holds no model under '", printable(*prefix), "', but ", listed(others), ". Choose with `prefix`");
  }
  if (found.empty()) {
    source.refuse("no known model among its ", checkpoint.tensors().size(), " tensors, the first of them ",
                  printable(checkpoint.tensors().begin()->first), "; a key that ends in ", known, " is needed");
  }
  if (found.size() > 1) {
    source.refuse("holds several models: ", listed(found), ". Choose with `prefix` '", printable(found.back().second),
                  "' or `layout`");
  }
  const auto& [layout, under] = found.front();
  if (layout == Layout::kReader) return reader(source, under);
  return layout == Layout::kSpeech ? speech(source, under) : generator(source, layout, under);
}

std::map<std::string, std::string> map_tensors(const Checkpoint& checkpoint, const FoundModel& model,
                                               const ModelConfig& config, std::vector<std::string>& notes) {
  if (model.layout == Layout::kReader) return map_reader(checkpoint, model, std::get<ReaderConfig>(config));
  if (model.layout == Layout::kSpeech) return map_speech(checkpoint, model, std::get<SpeechConfig>(config), notes);
  return map_generator(checkpoint, model, std::get<GeneratorConfig>(config), notes);
}

}  // namespace emo
