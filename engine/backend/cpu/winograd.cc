#include "engine/backend/cpu/winograd.h"

#include <algorithm>

#include "base/error.h"
#include "engine/backend/cpu/one_thread.h"
#include "engine/backend/cpu/pointwise.h"

namespace emo {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using namespace winograd;

constexpr int kPairs = 16;  // of channels at a time, for the compiler to vectorise over
using Pairs = float[kPairs];

/// Two or three taps at the five or six points: G of the paper, for the points of winograd.inl.
void to_points(const Pairs* g, int taps, int step, Pairs* t, int t_step) {
  constexpr double p = kP, q = kQ, pp = p * p, qq = q * q;
  constexpr auto at_0 = float(1 / (pp * qq)), at_p = float(0.5 / (pp * (pp - qq))), at_q = float(0.5 / (qq * (qq - pp)));
  for (int i = 0; i < kPairs; ++i) {
    const float g0 = g[0][i], g1 = g[step][i], g2 = taps == 3 ? g[2 * step][i] : 0;
    const float even_p = g0 + float(pp) * g2, odd_p = kP * g1, even_q = g0 + float(qq) * g2, odd_q = kQ * g1;
    t[0][i] = at_0 * g0;
    t[t_step][i] = at_p * (even_p + odd_p);
    t[2 * t_step][i] = at_p * (even_p - odd_p);
    t[3 * t_step][i] = at_q * (even_q + odd_q);
    t[4 * t_step][i] = at_q * (even_q - odd_q);
    if (taps == 3) t[5 * t_step][i] = g2;
  }
}

/// A kernel of stride S is S x S kernels of K / S taps a side, along each side one that begins at pixel `part` of the S:
/// these of the kernel's rows or columns. A deconvolution's output S m + part reads inputs m + part - 1 on, with the taps
/// from the last to the first.
struct Taps {
  int first, step;
};
Taps taps_of(const ConvGeometry& g, int part) { return g.op == Op::kConv ? Taps{part, g.S} : Taps{g.KH - 1 - part, -g.S}; }

}  // namespace

const std::vector<memory>& WinogradWeights::as(const memory::desc& form, const ConvGeometry& g, const dnnl::engine& engine) {
  for (const Form& f : forms_) {
    if (f.points[0].get_desc() == form) return f.points;
  }
  const std::vector<float> raw = raw_();
  const int K = g.KH, parts = g.S * g.S, taps = K / g.S, side = kTile + taps - 1, points = side * side;
  const int phases = g.op == Op::kConv ? 1 : parts, in_C = g.in.C;
  const std::size_t pairs = std::size_t(in_C) * g.out.C, matrix = pairs * parts / phases;
  const int blocks = int(pairs / kPairs);
  const HostBuffer<float> plain(phases * points * matrix);
  for (int piece = 0; piece < parts * blocks; ++piece) {
    Pairs kernel[9], columns[6 * 3], at[6 * 6];
    const int part = piece / blocks;
    const std::size_t first = std::size_t(piece % blocks) * kPairs;
    const Taps rows = taps_of(g, part / g.S), cols = taps_of(g, part % g.S);
    for (int y = 0; y < taps; ++y) {
      for (int x = 0; x < taps; ++x) {
        const int tap = (rows.first + rows.step * y) * K + cols.first + cols.step * x;
        for (int i = 0; i < kPairs; ++i) kernel[y * taps + x][i] = raw[(first + i) * K * K + tap];
      }
    }
    for (int x = 0; x < taps; ++x) to_points(kernel + x, taps, taps, columns + x, taps);
    for (int y = 0; y < side; ++y) to_points(columns + taps * y, taps, 1, at + side * y, 1);
    // The parts of a convolution stand side by side in one matrix.
    float* to =
        plain.data() + (phases == 1 ? first + (first / in_C * (parts - 1) + part) * in_C : part * points * matrix + first);
    for (int k = 0; k < points; ++k) std::copy_n(at[k], kPairs, to + k * matrix);
  }
  const std::size_t one_point = (form.get_size() + 63) / 64 * 64;
  Form& f = forms_.emplace_back(Form{HostBuffer<std::byte>(phases * points * one_point), {}});
  const memory::desc plain_form(form.dims(), memory::data_type::f32, g.op == Op::kConv ? Tag::oihw : Tag::iohw);
  for (int k = 0; k < phases * points; ++k) f.points.emplace_back(form, engine, f.storage.data() + k * one_point);
  const OneThread one;
  const dnnl::reorder reorder(dnnl::reorder::primitive_desc(engine, plain_form, engine, form));
  dnnl::stream stream(engine);
  for (int k = 0; k < phases * points; ++k) {
    memory from(plain_form, engine, plain.data() + k * matrix);
    reorder.execute(stream, from, f.points[k]);
  }
  return f.points;
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
  // The extra 64 bytes keep the points that are written side by side from falling on the same lines of the first cache:
  // planes are powers of two.
  const auto pitch = [&](int C) { return std::size_t(H) * W * C + 16; };
  for (int part = 0; part < parts; ++part) {
    const int y = part / S, x = part % S;
    in_walks_.push_back({in.H, in.W, in.C, in_step, y - 1, x - 1, W, side, depth, conv ? part * in.C : 0, pitch(depth)});
    if (conv && part > 0) continue;
    out_walks_.push_back({out.H, out.W, out.C, out_step, y, x, W, side, out.C, 0, pitch(out.C)});
  }
  // The product of a point's (tiles, depth) with its (depth, C_out) is a 1x1 convolution over the picture of tiles.
  const auto f32 = memory::data_type::f32;
  in_ = memory::desc({1, depth, H, W}, f32, Tag::nhwc);
  out_ = memory::desc({1, out.C, H, W}, f32, Tag::nhwc);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const OneThread one;
  try {
    const dnnl::convolution_forward::primitive_desc pd({dnnl::prop_kind::forward_inference,
                                                        dnnl::algorithm::convolution_direct,
                                                        in_,
                                                        memory::desc({out.C, depth, 1, 1}, f32, Tag::any),
                                                        out_,
                                                        {1, 1},
                                                        {0, 0},
                                                        {0, 0}},
                                                       attr, engine);
    product_ = dnnl::convolution_forward(pd);
    scratch_ = pd.scratchpad_desc();
    weights_ = &weights.as(pd.weights_desc(), geometry, engine);
  } catch (const dnnl::error& e) {
    fail(ErrorKind::kDevice, "cpu: oneDNN cannot prepare ", geometry.key, " for input ", in, ": ", e.what());
  }
}

void WinogradConv::to_points(int phase, int tile_row, const float* x, float* points) const {
  const std::size_t walks = in_walks_.size() / out_walks_.size();
  for (std::size_t i = 0; i < walks; ++i) pointwise().winograd_to_points(x, in_walks_[phase * walks + i], tile_row, points);
}

void WinogradConv::multiply(int phase, int point, const float* in, float* out, void* scratch,
                            const dnnl::engine& engine) const {
  // oneDNN takes mutable pointers for what it only reads.
  auto* from = const_cast<float*>(in) + point * in_walks_[0].pitch;
  dnnl::stream stream(engine);
  product_.execute(stream, {{DNNL_ARG_SRC, memory(in_, engine, from)},
                            {DNNL_ARG_WEIGHTS, (*weights_)[phase * points() + point]},
                            {DNNL_ARG_DST, memory(out_, engine, out + point * out_walks_[0].pitch)},
                            {DNNL_ARG_SCRATCHPAD, memory(scratch_, engine, scratch)}});
}

void WinogradConv::to_rows(int phase, int tile_row, const float* points, float* y) const {
  pointwise().winograd_to_rows(points, out_walks_[phase], tile_row, y);
}

WinogradConv::Rows WinogradConv::finished(int phase, int tile_row) const {
  const TileWalk& walk = out_walks_[phase];
  const bool last_of_its_rows = walk.left == walk.step - 1;  // a deconvolution's columns come in `step` phases
  if (!last_of_its_rows) return {0, 0, 1};
  const int first = tile_row * kTile * walk.step;
  return {first + walk.top, std::min(walk.H, first + kTile * walk.step), walk.step};
}

}  // namespace emo
