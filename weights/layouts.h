#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/config.h"
#include "weights/convert.h"

namespace emo {

/// "albertpumarola", "speech" ...: what --layout takes.
std::string_view name_of(Layout layout);

/// A model in a checkpoint: whose names it uses, and what its shapes tell.
struct FoundModel {
  Layout layout;
  std::string prefix;                ///< of its keys: "state_dict/module."; of a speech model's LSTM: "state_dict/rnn."
  ModelConfig config;                ///< sizes and kind from the file, the rest at its defaults
  std::vector<std::string> decided;  ///< the keys of `config` that the file decides
  int au_count = 0;                  ///< of a generator; a speech model's is that of its au_names
  int features = 0;                  ///< of a speech model
};

/// Recognises a model by its keys, wherever in the checkpoint it lies and whatever prefix they bear:
///
///               albertpumarola         donydchen                vipermu               speech
///   trunk       main.0                 model.0                  main.0                torch.nn.LSTM and one
///   block       main.9.main.0          model.9.conv_block.0     main.9.main.0         torch.nn.Linear,
///   colour      img_reg.0              color_top.0              im_reg.0              under any names
///   mask        attetion_reg.0         au_top.0                 im_att.0
///   norm        affine                 not affine               affine
///
/// and a reader by main.0 and answer, as tools/training/reader_file.py writes it.
/// All three generators keep the image where the mask is 1; the names of albertpumarola are ours too.
/// `prefix` chooses among several: "G_ema" or "G_ema/" takes what lies under it, "" what lies under nothing.
/// Throws Error(kModel): none found, several (all named), a first layer of the wrong kind.
/// Source: github.com/albertpumarola/GANimation networks/generator_wasserstein_gan.py,
/// github.com/donydchen/ganimation_replicate model/model_utils.py (SplitGenerator), github.com/vipermu/ganimation model.py.
FoundModel find_model(const Checkpoint& checkpoint, Layout wanted, const std::optional<std::string>& prefix = {});

/// The checkpoint's key for each tensor of the weight file. Tensors that the network does without are left out, each
/// group with a note. Throws Error(kModel), naming the tensor, for one that is missing, of another shape, or not known.
std::map<std::string, std::string> map_tensors(const Checkpoint& checkpoint, const FoundModel& model,
                                               const ModelConfig& config, std::vector<std::string>& notes);

}  // namespace emo
