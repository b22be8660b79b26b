#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/shape.h"
#include "weights/config.h"

namespace emo {

enum class Op { kConv, kDeconv };
enum class Norm { kNone, kInstance };
enum class Act { kNone, kRelu, kTanh, kSigmoid };

/// One row of the network: convolution or transposed convolution, then normalisation, activation, residual addition.
struct LayerSpec {
  std::string key;  ///< of the convolution in the weight file: "main.9.main.0"; also the layer's --dump-layers name
  Op op;
  int C_in, C_out, K, S, P;
  Norm norm;
  Act act;
  bool adds_block_input;  ///< second half of a residual block: its output is input of the block + this
  Shape in, out;          ///< N = 1

  std::string weight() const { return key + ".weight"; }
  std::string bias() const { return key + ".bias"; }
  std::string norm_key;                            ///< "main.9.main.1"; empty without normalisation
  bool has_bias = false;                           ///< (C_out) added after the convolution: a reader's
  std::vector<std::int64_t> weight_shape() const;  ///< (C_out,C_in,K,K); a deconvolution's is (C_in,C_out,K,K)
  std::int64_t macs() const;                       ///< multiplications for one image, none by the deconvolution's zeros
};

/// A tensor that a weight file must hold.
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// The GANimation generator (Pumarola et al. 2018) as one table; everything that needs sizes, names or costs reads this.
/// `side` is the picture's height and width, by default config.image_size. The last two rows, colour (tanh) and mask
/// (sigmoid), both read the row before them.
/// Throws Error(kModel) for a side that the network cannot take: not a multiple of 4, under 8 or over 1024.
std::vector<LayerSpec> generator_layers(const GeneratorConfig& config, int side = 0);

/// The face reader as such a table: 3x3 convolutions with bias and ReLU, and a last one of the whole map to the answer: the
/// landmarks x0, y0, x1 ..., the logit of the confidence, the AUs.
std::vector<LayerSpec> reader_layers(const ReaderConfig& config);

/// Whether row i's output is the input of a residual block, which the block's second row adds.
bool feeds_block(const std::vector<LayerSpec>& layers, std::size_t i);

/// Whether a row ends in a ReLU or in nothing, which is what a backend computes together with the normalisation.
/// Throws Error(kInternal) naming the row for another activation: no backend has it there yet.
bool ends_in_relu(const LayerSpec& row);

/// Throws Error(kInternal) naming the row unless the last two are tanh and sigmoid, as the backends compute the heads.
void check_heads(const std::vector<LayerSpec>& layers);

/// The tensors of a generator's weight file: for each row its weight and, with norm_affine, scale and shift.
std::vector<TensorSpec> generator_tensors(const GeneratorConfig& config);

/// The tensors of a speech model's weight file: lstm.weight_ih_l0 (4*hidden,input) ... as torch.nn.LSTM names them, with
/// gates i,f,g,o, and fc.weight (AUs, hidden*directions), fc.bias.
std::vector<TensorSpec> speech_tensors(const SpeechConfig& config);

/// The tensors of a reader's weight file: for each row its weight and bias, and shape.mean (478,2), the mean face's
/// landmarks in distances of its outer eye corners, x right, y down. With triangles > 0 also, in that unit, x right, y up
/// and z to the viewer: motion.mean (478,3), motion.basis (AUs,478,3), what an AU of 1 adds to it, motion.shade
/// (AUs,rows,columns), the logarithm of the light that its creases leave on the face's left half, and motion.triangles
/// (triangles,3), of vertices as FaceMotion counts them, first drawn first.
std::vector<TensorSpec> reader_tensors(const ReaderConfig& config);

/// The tensors that a weight file with this config must hold.
std::vector<TensorSpec> tensors_of(const ModelConfig& config);

/// Sum over the table, multiply and add counted as two.
double generator_flops(const GeneratorConfig& config, int side = 0);

double reader_flops(const ReaderConfig& config);

/// Of the LSTM for that much speech, counted likewise; the MFCC before it and the read-out after it are left out.
double speech_flops(const SpeechConfig& config, double seconds);

}  // namespace emo
