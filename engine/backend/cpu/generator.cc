#include "engine/backend/cpu/generator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <variant>

#include "base/dtype.h"
#include "engine/backend/cpu/head.h"
#include "engine/backend/cpu/pointwise.h"
#include "engine/backend/cpu/winograd.h"
#include "engine/backend/shared/generate_call.h"
#include "engine/backend/shared/pool.h"

namespace emo {

// The table's rows as this backend runs them: the first without its AU planes, the last two, colour and mask, as one.
struct CpuGenerator::Row {
  std::unique_ptr<PackedWeights> packed;  // one of the two, whichever its convolution takes
  std::unique_ptr<WinogradWeights> winograd;
  std::vector<float> scale, shift;  // (C_out); empty for the head
};

struct CpuGenerator::Context {
  Context(const Plan& plan, std::size_t input_bytes, int threads, std::size_t bias);

  HostBuffer<std::byte> input;  // fp32 or bf16
  HostBuffer<float> raw, stream, row_mean, row_m2, mean, scale, in_points, out_points, au_bias;
  HostBuffer<std::byte> scratch;

  float* fp32() const { return reinterpret_cast<float*>(input.data()); }
  std::uint16_t* bf16() const { return reinterpret_cast<std::uint16_t*>(input.data()); }
};

// A row's convolution reads `input` and writes `raw`; its normalisation reads `raw` and writes the next row's `input`.
// Around the residual blocks it also keeps `stream`, the fp32 sum that each block adds to: three buffers at any depth.
struct CpuGenerator::Plan {
  explicit Plan(int max_contexts) : contexts(max_contexts) {}

  std::vector<LayerSpec> layers;
  std::vector<std::variant<std::monostate, StripConv, WinogradConv>> convs;
  std::size_t input = 0, raw = 0, stream = 0, row_moments = 0, channels = 0, in_points = 0, out_points = 0;  // elements
  std::size_t scratch_bytes = 0;                                                                             // a thread
  Pool<Context> contexts;
};

CpuGenerator::Context::Context(const Plan& plan, std::size_t input_bytes, int threads, std::size_t bias)
    : input(plan.input * input_bytes),
      raw(plan.raw),
      stream(plan.stream),
      row_mean(plan.row_moments),
      row_m2(plan.row_moments),
      mean(plan.channels),
      scale(plan.channels),
      in_points(plan.in_points),
      out_points(plan.out_points),
      au_bias(bias),
      scratch(plan.scratch_bytes * threads) {}

namespace {

/// The first convolution without its AU planes: (C,3+AUs,K,K) to (C,3,K,K).
std::vector<float> image_part(const std::vector<float>& weight, const LayerSpec& layer) {
  const std::size_t taps = std::size_t(layer.K) * layer.K;
  std::vector<float> part;
  for (int c = 0; c < layer.C_out; ++c) {
    const float* from = weight.data() + std::size_t(c) * layer.C_in * taps;
    part.insert(part.end(), from, from + 3 * taps);
  }
  return part;
}

}  // namespace

CpuGenerator::CpuGenerator(const ModelFile& file, Precision precision, ThreadPool& pool, int max_contexts)
    : file_(file),
      config_(file.generator()),
      bf16_(precision == Precision::kBf16),
      pool_(pool),
      max_contexts_(max_contexts),
      au_bias_(file.floats(generator_layers(config_)[0].weight()), generator_layers(config_)[0], config_.au_scale) {
  const std::vector<LayerSpec> layers = generator_layers(config_);
  check_heads(layers);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    const LayerSpec& layer = layers[i];
    const auto raw = [this, i, layer, mask = layers[i + 1].weight()] {
      std::vector<float> weight = file_.floats(layer.weight());
      if (layer.norm == Norm::kNone) return head_weights(weight, file_.floats(mask), layer.C_in, layer.K);
      return i == 0 ? image_part(weight, layer) : weight;
    };
    Row& row = rows_.emplace_back();
    row.packed = std::make_unique<PackedWeights>(raw);
    row.winograd = std::make_unique<WinogradWeights>(raw);
    if (layer.norm == Norm::kNone) continue;
    row.scale = config_.norm_affine ? file_.floats(layer.norm_key + ".weight") : std::vector<float>(layer.C_out, 1.f);
    row.shift = config_.norm_affine ? file_.floats(layer.norm_key + ".bias") : std::vector<float>(layer.C_out, 0.f);
  }
  plan(config_.image_size);
}

CpuGenerator::~CpuGenerator() = default;

CpuGenerator::Plan& CpuGenerator::plan(int side) const {
  const std::lock_guard lock(plans_mutex_);
  if (const auto known = plans_.find(side); known != plans_.end()) return *known->second;

  auto plan = std::make_unique<Plan>(max_contexts_);
  plan->layers = generator_layers(config_, side);
  plan->convs.resize(rows_.size());
  const auto geometry = [&](std::size_t i) {
    const LayerSpec& layer = plan->layers[i];
    if (layer.norm == Norm::kNone) return head_geometry(layer);
    ConvGeometry g{layer.key, layer.op, layer.in, layer.out, layer.K, layer.K, layer.S, layer.P, layer.P};
    if (i == 0) g.in.C = 3;
    return g;
  };
  // A layer a thread: one after the other, the layers of 64 filters took two cores 190 ms; so, and in huge pages, 50.
  pool_.run(int(rows_.size()), [&](int i, int) {
    const ConvGeometry g = geometry(i);
    if (!bf16_ && WinogradConv::takes(g)) {
      plan->convs[i].emplace<WinogradConv>(g, *rows_[i].winograd, engine_);
    } else {
      const auto type = bf16_ ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
      plan->convs[i].emplace<StripConv>(g, type, *rows_[i].packed, engine_);
    }
  });
  const auto grow = [](std::size_t& size, std::size_t needed) { size = std::max(size, needed); };
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const ConvGeometry g = geometry(i);
    const auto scratch = [&](const auto& conv) { grow(plan->scratch_bytes, (conv.scratch_bytes() + 63) / 64 * 64); };
    if (const auto* conv = std::get_if<WinogradConv>(&plan->convs[i])) {
      grow(plan->in_points, conv->in_points());
      grow(plan->out_points, conv->out_points());
      scratch(*conv);
    } else {
      scratch(std::get<StripConv>(plan->convs[i]));
    }
    grow(plan->input, g.in.count());
    grow(plan->raw, g.out.count());
    if (feeds_block(plan->layers, i)) grow(plan->stream, g.out.count());
    grow(plan->row_moments, std::size_t(g.out.H) * g.out.C);
    grow(plan->channels, std::size_t(g.out.C));
  }
  return *(plans_[side] = std::move(plan));
}

void CpuGenerator::generate(const GenerateCall& call) const {
  check(call, config_);
  const Shape& s = call.faces.shape;
  Plan& plan = this->plan(s.H);
  const auto image = [&](auto view, int n) { return view.data ? view.data + view.count() / s.N * n : nullptr; };
  std::vector<int> not_finite;
  {
    const auto context = plan.contexts.borrow([&] {
      return std::make_unique<Context>(plan, bf16_ ? sizeof(std::uint16_t) : sizeof(float), pool_.threads(),
                                       au_bias_.size());
    });
    for (int n = 0; n < s.N && (not_finite.empty() || !call.errors.empty()); ++n) {
      const bool finite = run(plan, *context, image(call.faces, n), image(call.aus, n), image(call.out, n),
                              image(call.mask, n), image(call.colour, n), call.sink);
      if (!finite) not_finite.push_back(n);
    }
  }
  for (const int n : not_finite) refuse_not_finite(call, n, file_.name(), bf16_ ? "bf16" : "fp32");
}

bool CpuGenerator::run(const Plan& plan, Context& context, const float* face, const float* au, float* out, float* mask,
                       float* colour, const LayerSink* sink) const {
  const Shape& in = plan.layers[0].in;
  const std::size_t plane = in.plane();
  for (std::size_t i = 0; i < plane; ++i) {  // planar to channels-last
    for (int c = 0; c < 3; ++c) {
      if (bf16_) {
        context.bf16()[3 * i + c] = float_to_bf16(face[c * plane + i]);
      } else {
        context.fp32()[3 * i + c] = face[c * plane + i];
      }
    }
  }
  au_bias_.fold(au, context.au_bias.data());

  const std::size_t head = rows_.size() - 1;
  for (std::size_t i = 0; i < head; ++i) {
    normalised_conv(plan, i, context);
    if (!sink) continue;
    const Shape& s = plan.layers[i].out;
    const HostBuffer<float> planar(s.count());
    for (std::size_t p = 0; p < s.plane(); ++p) {
      for (int c = 0; c < s.C; ++c) {
        const std::size_t from = p * s.C + c;
        planar[c * s.plane() + p] = bf16_ ? bf16_to_float(context.bf16()[from]) : context.fp32()[from];
      }
    }
    (*sink)(plan.layers[i].key, {planar.data(), s});
  }

  const auto& conv = std::get<StripConv>(plan.convs[head]);
  const LayerSpec& colour_layer = plan.layers[head];
  const LayerSpec& mask_layer = plan.layers[head + 1];
  const HostBuffer<float> watched(sink ? 4 * plane : 0);
  if (sink && !colour) colour = watched.data();
  if (sink && !mask) mask = watched.data() + 3 * plane;
  const HeadPicture picture{in.H, face, out, mask, colour, config_.mask_keeps_image};
  const std::size_t pitch = std::size_t(in.W) * head_geometry(colour_layer).out.C;
  std::atomic<bool> finite{true};
  pool_.run(conv.strips(), [&](int strip, int worker) {
    conv.run(strip, context.input.data(), context.raw.data(), context.scratch.data() + plan.scratch_bytes * worker, engine_);
    for (int y = conv.first_row(strip); y < conv.end_row(strip); ++y) {
      if (!head_row(context.raw.data() + y * pitch, colour_layer.K, y, picture)) finite = false;
    }
  });
  if (sink) {
    (*sink)(colour_layer.key, {colour, colour_layer.out});
    (*sink)(mask_layer.key, {mask, mask_layer.out});
    (*sink)("output", {out, colour_layer.out});
  }
  return finite;
}

/// Row i of the table from `input` to `input`: it is convolved, the moments of its rows are taken while they are in the
/// cache, and with the plane's moments known each row is normalised.
void CpuGenerator::normalised_conv(const Plan& plan, std::size_t i, Context& context) const {
  static const Pointwise& pw = pointwise();
  const LayerSpec& layer = plan.layers[i];
  const int H = layer.out.H, W = layer.out.W, C = layer.C_out;
  const std::size_t pitch = std::size_t(W) * C;

  const auto scratch = [&](int worker) { return context.scratch.data() + plan.scratch_bytes * worker; };
  const auto take_moments = [&](int first, int end, int step) {
    for (int y = first; y < end; y += step) {
      float* row = context.raw.data() + y * pitch;
      if (i == 0) au_bias_.add(context.au_bias.data(), y, H, W, row);
      pw.row_moments(row, W, C, context.row_mean.data() + std::size_t(y) * C, context.row_m2.data() + std::size_t(y) * C);
    }
  };
  if (const auto* strips = std::get_if<StripConv>(&plan.convs[i])) {
    pool_.run(strips->strips(), [&](int strip, int worker) {
      strips->run(strip, context.input.data(), context.raw.data(), scratch(worker), engine_);
      take_moments(strips->first_row(strip), strips->end_row(strip), 1);
    });
  } else {
    const auto& conv = std::get<WinogradConv>(plan.convs[i]);
    float *in = context.in_points.data(), *out = context.out_points.data();
    for (int phase = 0; phase < conv.phases(); ++phase) {
      pool_.run(conv.tile_rows(), [&](int row, int) { conv.to_points(phase, row, context.fp32(), in); });
      pool_.run(conv.products(), [&](int k, int worker) { conv.multiply(phase, k, in, out, scratch(worker), engine_); });
      pool_.run(conv.tile_rows(), [&](int row, int) {
        conv.to_rows(phase, row, out, context.raw.data());
        const auto [first, end, step] = conv.finished(phase, row);
        take_moments(first, end, step);
      });
    }
  }

  float* mean = context.mean.data();
  float* scale = context.scale.data();
  pw.merge_rows(context.row_mean.data(), context.row_m2.data(), H, W, C, mean, scale);
  for (int c = 0; c < C; ++c) scale[c] = rows_[i].scale[c] / std::sqrt(scale[c] + float(config_.norm_eps));

  const bool relu = ends_in_relu(layer), add = layer.adds_block_input, keep = feeds_block(plan.layers, i);
  const float* shift = rows_[i].shift.data();
  pool_.run(H, [&](int y, int) {
    const float* row = context.raw.data() + y * pitch;
    float* stream = add || keep ? context.stream.data() + y * pitch : nullptr;
    if (bf16_) {
      pw.normalise_row_bf16(row, mean, scale, shift, relu, add, keep, W, C, stream, context.bf16() + y * pitch);
    } else {
      pw.normalise_row(row, mean, scale, shift, relu, add, keep, W, C, stream, context.fp32() + y * pitch);
    }
  });
}

}  // namespace emo
