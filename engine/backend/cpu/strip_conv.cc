#include "engine/backend/cpu/strip_conv.h"

#include <algorithm>

#include "base/error.h"
#include "engine/backend/cpu/onednn.h"

namespace emo {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// Enough pieces for the threads of one machine to end a layer together, and few enough calls.
constexpr int kStrips = 32;

}  // namespace

const memory& PackedWeights::as(const memory::desc& form, Op op, const dnnl::engine& engine) {
  for (const memory& m : forms_) {
    if (m.get_desc() == form) return m;
  }
  std::vector<float> raw = raw_();
  memory from({dims_of(form), memory::data_type::f32, op == Op::kDeconv ? Tag::iohw : Tag::oihw}, engine, raw.data());
  memory& to = forms_.emplace_back(form, engine);
  dnnl::stream stream(engine);
  const OneThread one;
  dnnl::reorder(from, to).execute(stream, from, to);
  return to;
}

StripConv::StripConv(const ConvGeometry& geometry, memory::data_type type, PackedWeights& weights,
                     const dnnl::engine& engine)
    : geometry_(geometry), type_(type) {
  const auto& [key, op, in, out, KH, KW, S, PH, PW] = geometry_;
  // A strip of a deconvolution holds whole groups of S rows: row y reads input rows from (y + P - K + 1) / S on, up.
  const int step = op == Op::kDeconv ? S : 1;
  const int rows = (out.H + kStrips * step - 1) / (kStrips * step) * step;
  for (int row = 0; row < out.H; row += rows) {
    const int end = std::min(out.H, row + rows);
    int first, last;  // input rows that these output rows read, as if the picture had no end
    if (op == Op::kConv) {
      first = row * S - PH;
      last = (end - 1) * S - PH + KH - 1;
    } else {
      first = (row + PH - KH + S) / S;  // rounds up; towards zero for negative values, which are cut to 0 below
      last = (end - 1 + PH) / S;
    }
    const int in_row = std::max(first, 0), in_end = std::min(last + 1, in.H);
    // A convolution pads what lies outside. A deconvolution of the cut input would begin at row in_row * S - PH: what it
    // has before `row` and after `end` is cropped, which is how its padding is defined.
    const int pad_top = op == Op::kConv ? in_row - first : row - (in_row * S - PH);
    const int pad_bottom = op == Op::kConv ? last + 1 - in_end : (in_end - 1) * S - PH + KH - end;
    strips_.push_back({row, in_row, kind(end - row, in_end - in_row, pad_top, pad_bottom, weights, engine)});
  }
}

int StripConv::kind(int rows, int in_rows, int pad_top, int pad_bottom, PackedWeights& weights, const dnnl::engine& engine) {
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    const Kind& k = kinds_[i];
    if (k.rows == rows && k.pad_top == pad_top && k.pad_bottom == pad_bottom) return int(i);
  }
  const auto& [key, op, in, out, KH, KW, S, PH, PW] = geometry_;
  const memory::desc src({1, in.C, in_rows, in.W}, type_, Tag::nhwc);
  const memory::desc any({out.C, in.C, KH, KW}, type_, Tag::any);
  const memory::desc dst({1, out.C, rows, out.W}, memory::data_type::f32, Tag::nhwc);
  const memory::dims strides{S, S}, before{pad_top, PW}, after{pad_bottom, PW};
  const OneThread one;
  const auto add = [&](const auto& made) {
    const auto& pd = made.desc;
    kinds_.push_back({rows, pad_top, pad_bottom, made.primitive, src, dst, pd.scratchpad_desc(),
                      &weights.as(pd.weights_desc(), op, engine)});
    scratch_bytes_ = std::max(scratch_bytes_, pd.scratchpad_desc().get_size());
  };
  try {
    if (op == Op::kConv) {
      add(make_convolution<dnnl::convolution_forward>(engine, dnnl::algorithm::convolution_direct, src, any, dst, strides,
                                                      before, after));
    } else {
      add(make_convolution<dnnl::deconvolution_forward>(engine, dnnl::algorithm::deconvolution_direct, src, any, dst,
                                                        strides, before, after));
    }
  } catch (const dnnl::error& e) {
    fail(ErrorKind::kDevice, "cpu: oneDNN cannot prepare ", key, " for input ", in, ": ", e.what());
  }
  return int(kinds_.size()) - 1;
}

void StripConv::run(int strip, const void* src, float* dst, void* scratch, const dnnl::engine& engine) const {
  const Strip& s = strips_[strip];
  const Kind& k = kinds_[s.kind];
  const std::size_t in_pitch = std::size_t(geometry_.in.W) * geometry_.in.C * memory::data_type_size(type_);
  const std::size_t out_pitch = std::size_t(geometry_.out.W) * geometry_.out.C;
  // oneDNN takes mutable pointers for what it only reads.
  auto* from = const_cast<std::byte*>(static_cast<const std::byte*>(src)) + s.in_row * in_pitch;
  dnnl::stream stream(engine);
  k.primitive.execute(stream, {{DNNL_ARG_SRC, memory(k.src, engine, from)},
                               {DNNL_ARG_WEIGHTS, *k.weights},
                               {DNNL_ARG_DST, memory(k.dst, engine, dst + s.row * out_pitch)},
                               {DNNL_ARG_SCRATCHPAD, memory(k.scratch, engine, scratch)}});
}

}  // namespace emo
