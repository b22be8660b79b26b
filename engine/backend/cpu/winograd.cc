#include "engine/backend/cpu/winograd.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "engine/backend/cpu/onednn.h"
#include "engine/backend/cpu/pointwise.h"

namespace emo {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using namespace winograd;

constexpr int kOutputs = 64;  // of a product's block
/// Floats between matrices that are read or written side by side. Their sizes are powers of two: without a gap they would
/// fall on the same lines of the first cache.
constexpr std::size_t kApart = 16;

/// A kernel of stride S is S x S kernels of K / S taps a side, along each side one that begins at pixel `part` of the S:
/// these of the kernel's rows or columns. A deconvolution's output S m + part reads inputs m + part - 1 on, with the taps
/// from the last to the first.
struct Taps {
  int first, step;
};
Taps taps_of(const ConvGeometry& g, int part) { return g.op == Op::kConv ? Taps{part, g.S} : Taps{g.KH - 1 - part, -g.S}; }

}  // namespace

const float* WinogradWeights::as(const memory::desc& form, const ConvGeometry& g, const dnnl::engine& engine) {
  for (const Form& f : forms_) {
    if (f.form == form) return f.taps.data();
  }
  const std::vector<float> raw = raw_();
  const bool conv = g.op == Op::kConv;
  const int K = g.KH, parts = g.S * g.S, side = K / g.S, phases = conv ? 1 : parts, in_C = g.in.C, out_C = g.out.C;
  const int outputs = int(dims_of(form)[0]), blocks = out_C / outputs;
  const std::size_t matrix = form.get_size() / sizeof(float), pitch = matrix + kApart;
  Form& f = forms_.emplace_back(Form{form, HostBuffer<float>(phases * blocks * side * side * pitch)});
  const memory::desc plain_form(dims_of(form), memory::data_type::f32, Tag::oihw);
  const HostBuffer<float> plain(matrix);
  const OneThread one;
  const dnnl::reorder reorder(dnnl::reorder::primitive_desc(engine, plain_form, engine, form));
  dnnl::stream stream(engine);
  float* to = f.taps.data();
  for (int phase = 0; phase < phases; ++phase) {
    for (int block = 0; block < blocks; ++block) {
      for (int tap = 0; tap < side * side; ++tap, to += pitch) {
        float* at = plain.data();
        for (int o = block * outputs; o < (block + 1) * outputs; ++o) {
          // The parts of a convolution stand side by side in one matrix.
          for (int part = conv ? 0 : phase; part < (conv ? parts : phase + 1); ++part) {
            const Taps rows = taps_of(g, part / g.S), cols = taps_of(g, part % g.S);
            const int k = (rows.first + rows.step * (tap / side)) * K + cols.first + cols.step * (tap % side);
            for (int i = 0; i < in_C; ++i)
              *at++ = raw[(conv ? std::size_t(o) * in_C + i : std::size_t(i) * out_C + o) * K * K + k];
          }
        }
        memory from(plain_form, engine, plain.data()), made(form, engine, to);
        reorder.execute(stream, from, made);
      }
    }
  }
  return f.taps.data();
}

bool WinogradConv::takes(const ConvGeometry& g) {
  const auto is = [&](int K, int S) { return g.KH == K && g.KW == K && g.S == S && g.PH == 1 && g.PW == 1; };
  return (is(4, 2) || (is(3, 1) && g.op == Op::kConv)) && g.in.C % 16 == 0 && g.out.C % 16 == 0;
}

WinogradConv::WinogradConv(const ConvGeometry& geometry, WinogradWeights& weights, const dnnl::engine& engine)
    : geometry_(geometry) {
  EMO_CHECK(takes(geometry), "winograd: ", geometry.key,
            " is neither 3x3 of stride 1 nor 4x4 of stride 2 over channels by sixteen");
  const Shape &in = geometry.in, &out = geometry.out;
  const int S = geometry.S, parts = S * S, side = kTile + geometry.KH / S - 1;
  const bool conv = geometry.op == Op::kConv;
  const int in_step = conv ? S : 1, out_step = conv ? 1 : S, depth = conv ? parts * in.C : in.C;
  const auto tiles = [&](int pixels) { return (pixels + kTile * out_step - 1) / (kTile * out_step); };
  const int H = tile_rows_ = tiles(out.H), W = tiles(out.W);
  const auto pitch = [&](int C) { return std::size_t(H) * W * C + kApart; };
  const int outputs = std::gcd(kOutputs, out.C), blocks = out.C / outputs;
  for (int part = 0; part < parts; ++part) {
    const int y = part / S, x = part % S;
    in_walks_.push_back({in.H, in.W, in.C, in_step, y - 1, x - 1, W, side, depth, conv ? part * in.C : 0, pitch(depth)});
    if (conv && part > 0) continue;
    out_walks_.push_back({out.H, out.W, out.C, out_step, y, x, W, side, outputs, 0, blocks * pitch(outputs)});
  }
  // The product of a point's (tiles, depth) with its (depth, outputs) is a 1x1 convolution over the picture of tiles.
  const auto f32 = memory::data_type::f32;
  in_ = memory::desc({1, depth, H, W}, f32, Tag::nhwc);
  out_ = memory::desc({1, outputs, H, W}, f32, Tag::nhwc);
  const OneThread one;
  try {
    const auto made = make_convolution<dnnl::convolution_forward>(engine, dnnl::algorithm::convolution_direct, in_,
                                                                  memory::desc({outputs, depth, 1, 1}, f32, Tag::any), out_,
                                                                  {1, 1}, {0, 0}, {0, 0});
    product_ = made.primitive;
    scratch_ = made.desc.scratchpad_desc();
    form_ = made.desc.weights_desc();
    matrix_ = form_.get_size() / sizeof(float);
    matrix_pitch_ = matrix_ + kApart;
    taps_ = weights.as(form_, geometry, engine);
  } catch (const dnnl::error& e) {
    fail(ErrorKind::kDevice, "cpu: oneDNN cannot prepare ", geometry.key, " for input ", in, ": ", e.what());
  }
}

void WinogradConv::to_points(int phase, int tile_row, const float* x, float* points) const {
  const std::size_t walks = in_walks_.size() / out_walks_.size();
  for (std::size_t i = 0; i < walks; ++i) pointwise().winograd_to_points(x, in_walks_[phase * walks + i], tile_row, points);
}

void WinogradConv::multiply(int phase, int product, const float* in, float* out, void* scratch,
                            const dnnl::engine& engine) const {
  const int line = product / blocks(), block = product % blocks();
  auto* const weights = static_cast<float*>(scratch);
  const std::size_t first_matrix = (std::size_t(phase) * blocks() + block) * taps() * taps();
  pointwise().winograd_weights(taps_ + first_matrix * matrix_pitch_, taps(), line, matrix_, matrix_pitch_, weights);
  dnnl::stream stream(engine);
  for (int i = 0; i < side(); ++i) {
    const int point = line * side() + i;
    // oneDNN takes mutable pointers for what it only reads.
    auto* from = const_cast<float*>(in) + point * in_walks_[0].pitch;
    float* to = out + point * out_walks_[0].pitch + block * block_floats();
    product_.execute(stream, {{DNNL_ARG_SRC, memory(in_, engine, from)},
                              {DNNL_ARG_WEIGHTS, memory(form_, engine, weights + i * matrix_pitch_)},
                              {DNNL_ARG_DST, memory(out_, engine, to)},
                              {DNNL_ARG_SCRATCHPAD, memory(scratch_, engine, weights + side() * matrix_pitch_)}});
  }
}

void WinogradConv::to_rows(int phase, int tile_row, const float* points, float* y) const {
  TileWalk walk = out_walks_[phase];
  for (; walk.first < walk.C; walk.first += walk.depth, points += block_floats()) {
    pointwise().winograd_to_rows(points, walk, tile_row, y);
  }
}

WinogradConv::Rows WinogradConv::finished(int phase, int tile_row) const {
  const TileWalk& walk = out_walks_[phase];
  const bool last_of_its_rows = walk.left == walk.step - 1;  // a deconvolution's columns come in `step` phases
  if (!last_of_its_rows) return {0, 0, 1};
  const int first = tile_row * kTile * walk.step;
  return {first + walk.top, std::min(walk.H, first + kTile * walk.step), walk.step};
}

}  // namespace emo
