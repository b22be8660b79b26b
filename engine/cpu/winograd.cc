#include "engine/cpu/winograd.h"

#include <algorithm>

#include "base/error.h"
#include "engine/cpu/one_thread.h"
#include "engine/cpu/pointwise.h"

namespace emo {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using namespace winograd;

constexpr int kPairs = 16;  // of channels at a time, for the compiler to vectorise over
using Pairs = float[kPairs];

/// Three taps at the six points: G of the paper, for the points of winograd.inl.
void to_points(const Pairs* g, int step, Pairs* t, int t_step) {
  constexpr double p = kP, q = kQ, pp = p * p, qq = q * q;
  constexpr auto at_0 = float(1 / (pp * qq)), at_p = float(0.5 / (pp * (pp - qq))), at_q = float(0.5 / (qq * (qq - pp)));
  for (int i = 0; i < kPairs; ++i) {
    const float g0 = g[0][i], g1 = g[step][i], g2 = g[2 * step][i];
    const float even_p = g0 + float(pp) * g2, odd_p = kP * g1, even_q = g0 + float(qq) * g2, odd_q = kQ * g1;
    t[0][i] = at_0 * g0;
    t[t_step][i] = at_p * (even_p + odd_p);
    t[2 * t_step][i] = at_p * (even_p - odd_p);
    t[3 * t_step][i] = at_q * (even_q + odd_q);
    t[4 * t_step][i] = at_q * (even_q - odd_q);
    t[5 * t_step][i] = g2;
  }
}

}  // namespace

const std::vector<memory>& WinogradWeights::as(const memory::desc& form, const dnnl::engine& engine, ThreadPool& pool) {
  for (const Form& f : forms_) {
    if (f.points[0].get_desc() == form) return f.points;
  }
  const std::vector<float> raw = raw_();
  const std::size_t pairs = raw.size() / 9, one_point = (form.get_size() + 63) / 64 * 64;
  const HostBuffer<float> plain(kPoints * pairs);
  pool.run(int(pairs / kPairs), [&](int block, int) {
    Pairs taps[9], columns[kSide * 3], points[kPoints];
    const std::size_t first = std::size_t(block) * kPairs;
    for (int tap = 0; tap < 9; ++tap) {
      for (int i = 0; i < kPairs; ++i) taps[tap][i] = raw[9 * (first + i) + tap];
    }
    for (int x = 0; x < 3; ++x) to_points(taps + x, 3, columns + x, 3);
    for (int y = 0; y < kSide; ++y) to_points(columns + 3 * y, 1, points + kSide * y, 1);
    for (int k = 0; k < kPoints; ++k) std::copy_n(points[k], kPairs, plain.data() + k * pairs + first);
  });
  Form& f = forms_.emplace_back(Form{HostBuffer<std::byte>(kPoints * one_point), {}});
  const memory::desc plain_form(form.dims(), memory::data_type::f32, Tag::oihw);
  for (int k = 0; k < kPoints; ++k) f.points.emplace_back(form, engine, f.storage.data() + k * one_point);
  dnnl::reorder::primitive_desc how;
  {
    const OneThread one;
    how = dnnl::reorder::primitive_desc(engine, plain_form, engine, form);
  }
  const dnnl::reorder reorder(how);
  pool.run(kPoints, [&](int k, int) {
    const OneThread one;
    dnnl::stream stream(engine);
    memory from(plain_form, engine, plain.data() + k * pairs);
    reorder.execute(stream, from, f.points[k]);
  });
  return f.points;
}

bool WinogradConv::takes(const ConvGeometry& g) {
  return g.op == Op::kConv && g.KH == 3 && g.KW == 3 && g.S == 1 && g.PH == 1 && g.PW == 1 && g.in.C % 16 == 0 &&
         g.out.C % 16 == 0;
}

WinogradConv::WinogradConv(const ConvGeometry& geometry, WinogradWeights& weights, const dnnl::engine& engine,
                           ThreadPool& pool)
    : geometry_(geometry) {
  const Shape &in = geometry.in, &out = geometry.out;
  EMO_CHECK(takes(geometry), "winograd: ", geometry.key, " is no 3x3 convolution of stride 1 over channels by sixteen");
  // The product of a point's (tiles, C_in) with its (C_in, C_out) is a 1x1 convolution over the picture of tiles.
  const int H = tiles(in.H), W = tiles(in.W);
  const auto f32 = memory::data_type::f32;
  in_ = memory::desc({1, in.C, H, W}, f32, Tag::nhwc);
  out_ = memory::desc({1, out.C, H, W}, f32, Tag::nhwc);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const OneThread one;
  try {
    const dnnl::convolution_forward::primitive_desc pd({dnnl::prop_kind::forward_inference,
                                                        dnnl::algorithm::convolution_direct,
                                                        in_,
                                                        memory::desc({out.C, in.C, 1, 1}, f32, Tag::any),
                                                        out_,
                                                        {1, 1},
                                                        {0, 0},
                                                        {0, 0}},
                                                       attr, engine);
    product_ = dnnl::convolution_forward(pd);
    scratch_ = pd.scratchpad_desc();
    weights_ = &weights.as(pd.weights_desc(), engine, pool);
  } catch (const dnnl::error& e) {
    fail(ErrorKind::kDevice, "cpu: oneDNN cannot prepare ", geometry.key, " for input ", in, ": ", e.what());
  }
}

int WinogradConv::end_row(int tile_row) const { return std::min(geometry_.out.H, first_row(tile_row + 1)); }

std::size_t WinogradConv::in_points() const { return kPoints * pitch(geometry_.in.H, geometry_.in.W, geometry_.in.C); }
std::size_t WinogradConv::out_points() const { return kPoints * pitch(geometry_.out.H, geometry_.out.W, geometry_.out.C); }

void WinogradConv::to_points(int tile_row, const float* x, float* points) const {
  pointwise().winograd_to_points(x, geometry_.in.H, geometry_.in.W, geometry_.in.C, tile_row, points);
}

void WinogradConv::multiply(int point, const float* in, float* out, void* scratch, const dnnl::engine& engine) const {
  const Shape &i = geometry_.in, &o = geometry_.out;
  auto* from =
      const_cast<float*>(in) + point * pitch(i.H, i.W, i.C);  // oneDNN takes mutable pointers for what it only reads
  dnnl::stream stream(engine);
  product_.execute(stream, {{DNNL_ARG_SRC, memory(in_, engine, from)},
                            {DNNL_ARG_WEIGHTS, (*weights_)[point]},
                            {DNNL_ARG_DST, memory(out_, engine, out + point * pitch(o.H, o.W, o.C))},
                            {DNNL_ARG_SCRATCHPAD, memory(scratch_, engine, scratch)}});
}

void WinogradConv::to_rows(int tile_row, const float* points, float* y) const {
  pointwise().winograd_to_rows(points, geometry_.out.H, geometry_.out.W, geometry_.out.C, tile_row, y);
}

}  // namespace emo
