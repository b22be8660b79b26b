#include "engine/backend/cuda/generator.h"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <vector>

#include "base/dtype.h"
#include "engine/backend/cuda/graph.h"
#include "engine/backend/shared/generate_call.h"
#include "kernels/first_layer.h"
#include "kernels/heads.h"
#include "kernels/images.h"
#include "kernels/instance_norm.h"

namespace emo {
namespace {

MathType math_of(Precision precision) {
  switch (precision) {
    case Precision::kFp32: return MathType::kFP32;
    case Precision::kTf32: return MathType::kTF32;
    case Precision::kBf16: return MathType::kBF16;
    case Precision::kFp16: return MathType::kF16;
    case Precision::kAuto: break;
  }
  fail(ErrorKind::kInternal, "generate: no precision was chosen");
}

float to_float(MathType math, const std::byte* operands, std::size_t i) {
  const auto* bits = reinterpret_cast<const std::uint16_t*>(operands);
  switch (math) {
    case MathType::kF16: return half_to_float(bits[i]);
    case MathType::kBF16: return bf16_to_float(bits[i]);
    default: return reinterpret_cast<const float*>(operands)[i];
  }
}

/// A flag of GeneratorPlan::pictures, an integer among floats: as one of these it may count as zero.
bool is_set(float flag) { return std::bit_cast<unsigned>(flag) != 0; }

}  // namespace

struct CudaGenerator::Session {
  GeneratorPlan plan;
  Graph graph;
};

struct CudaGenerator::Context {
  Stream stream;
  DeviceBuffer<std::byte> memory;
  DeviceBuffer<unsigned> counters;                             // zero between runs, whatever the plan
  PinnedBuffer<float> staging;                                 // GeneratorPlan::pictures on the host
  DeviceBuffer<float> passes;                                  // see run_on_device(); empty with one pass
  std::map<std::tuple<MathType, int, int>, Session> sessions;  // by math, side and N

  /// Makes room. Graphs hold addresses: they are recorded again where those change.
  void reserve(const GeneratorPlan& plan) {
    staging.reserve(plan.at.end);
    if (plan.bytes <= memory.size() && plan.counters <= counters.size()) return;
    sessions.clear();
    memory.reserve(plan.bytes, "the generator's activations");
    if (plan.counters <= counters.size()) return;
    counters.reserve(plan.counters, "the generator's counters");
    EMO_CUDA(cudaMemsetAsync(counters.data(), 0, plan.counters * sizeof(unsigned), stream.get()));
  }

  template <typename T>
  T* at(const PlannedBuffer& buffer) const {
    return reinterpret_cast<T*>(memory.data() + buffer.offset);
  }
};

CudaGenerator::CudaGenerator(const ModelFile& file, Precision precision, std::function<void(const std::string&)> note,
                             int max_contexts, int prepared_batch, bool may_use_wgmma)
    : file_(file),
      config_(file.generator()),
      math_(math_of(precision)),
      note_(std::move(note)),
      gpu_(GpuTraits::current(may_use_wgmma)),
      prepared_batch_(std::min(prepared_batch, kMaxImages)),
      prepared_(max_contexts),
      contexts_(max_contexts) {
  weights(math_);
  if (prepared_batch_ > 0) prepared_.fill([this] { return prepare(); });
}

CudaGenerator::~CudaGenerator() = default;

/// Those of fp32 are packed when an image needs them.
const GeneratorWeights& CudaGenerator::weights(MathType math) const {
  const std::lock_guard lock(weights_mutex_);
  auto& weights = weights_[std::size_t(math)];
  if (!weights) weights = std::make_unique<GeneratorWeights>(file_, math);
  return *weights;
}

bool CudaGenerator::is_prepared(MathType math, int side, int N) const {
  return math == math_ && side == config_.image_size && N <= prepared_batch_;
}

/// A context with the graphs of all prepared batches.
std::unique_ptr<CudaGenerator::Context> CudaGenerator::prepare() const {
  auto context = std::make_unique<Context>();
  // Room for all first: a small batch whose products are split may need more than a large one.
  for (int N = 1; N <= prepared_batch_; ++N) context->reserve({config_, math_, config_.image_size, N, gpu_});
  EMO_CUDA(cudaMemsetAsync(context->memory.data(), 0, context->memory.size(), context->stream.get()));
  for (int N = 1; N <= prepared_batch_; ++N) launch(session(*context, math_, config_.image_size, N), *context);
  context->stream.wait();
  return context;
}

Pool<CudaGenerator::Context>::Lease CudaGenerator::borrow(MathType math, int side, int N) const {
  if (is_prepared(math, side, N)) return prepared_.borrow([this] { return prepare(); });
  return contexts_.borrow([] { return std::make_unique<Context>(); });
}

CudaGenerator::Session& CudaGenerator::session(Context& context, MathType math, int side, int N) const {
  const std::tuple key{math, side, N};
  const auto known = context.sessions.find(key);
  if (known != context.sessions.end()) return known->second;
  GeneratorPlan plan(config_, math, side, N, gpu_);
  context.reserve(plan);
  return context.sessions.emplace(key, Session{std::move(plan), {}}).first->second;
}

/// Asks the stream for the network.
void CudaGenerator::launch(Session& session, const Context& context) const {
  if (session.graph) return session.graph.launch(context.stream);
  enqueue(session.plan, context, nullptr);
  // Recorded after it has run once: what the driver loads with a kernel's first launch is then there.
  session.graph = Graph(context.stream, [&] { enqueue(session.plan, context, nullptr); });
}

void CudaGenerator::generate(const GenerateCall& call) const {
  check(call, config_);
  const int N = call.faces.shape.N, parts = ceil_div(N, kMaxImages);
  if (parts == 0) return;
  const int part = ceil_div(N, parts);  // equal ones: a small rest would be multiplied by another instruction
  for (int n = 0; n < N; n += part) run(math_, call, n, std::min(part, N - n));
}

bool CudaGenerator::run_on_device(int side, std::span<const float> aus, int passes, const Make& make, const Use& use,
                                  const Take& take) const {
  const int N = int(aus.size() / config_.au_names.size());
  EMO_CHECK(N >= 1 && N <= kMaxImages && aus.size() == N * config_.au_names.size(), "generate: ", aus.size(),
            " AU intensities; ", config_.au_names.size(), " for each of 1 to ", kMaxImages, " faces are needed");
  const auto context = borrow(math_, side, N);
  Session& session = this->session(*context, math_, side, N);
  const auto& at = session.plan.at;
  float* const host = context->staging.data();
  float* const device = context->at<float>(session.plan.pictures);
  const cudaStream_t stream = context->stream.get();
  const auto copy = [stream](float* to, const float* from, std::size_t floats, cudaMemcpyKind kind) {
    EMO_CUDA(cudaMemcpyAsync(to, from, floats * sizeof(float), kind, stream));
  };

  std::ranges::copy(aus, host + at.aus);
  std::fill(host + at.flags, host + at.out, 0.f);
  copy(device + at.aus, host + at.aus, at.out - at.aus, cudaMemcpyHostToDevice);
  make(device + at.faces, stream);
  DevicePictures pictures{device + at.faces, device + at.out, device + at.mask, device + at.colour};
  if (passes == 1) {
    launch(session, *context);
  } else {  // the face as it was cut, and the blend of all passes, lie beside what each pass reads and writes
    const std::size_t plane = std::size_t(N) * side * side;
    context->passes.reserve(7 * plane, "the passes of a face");
    float *const before = context->passes.data(), *const mask = before + 3 * plane, *const colour = mask + plane;
    copy(before, pictures.before, 3 * plane, cudaMemcpyDeviceToDevice);
    launch(session, *context);
    copy(mask, pictures.mask, 4 * plane, cudaMemcpyDeviceToDevice);  // the colour follows
    for (int pass = 2; pass <= passes; ++pass) {
      copy(device + at.faces, pictures.after, 3 * plane, cudaMemcpyDeviceToDevice);
      launch(session, *context);
      blend_over(config_.mask_keeps_image, N, side * side, mask, colour, pictures.mask, pictures.colour, stream);
    }
    pictures.before = before, pictures.mask = mask, pictures.colour = colour;
  }
  use(pictures, stream);
  copy(host + at.flags, device + at.flags, (take ? at.mask : at.out) - at.flags, cudaMemcpyDeviceToHost);
  if (take) copy(host + at.mask, pictures.mask, at.end - at.mask, cudaMemcpyDeviceToHost);
  context->stream.wait();
  const bool finite = std::all_of(host + at.flags, host + at.out, [](float flag) { return !is_set(flag); });
  if (finite && take) take(host + at.out, host + at.mask, host + at.colour);
  return finite;
}

/// Images first .. first + count - 1 of the call.
void CudaGenerator::run(MathType math, const GenerateCall& call, int first, int count) const {
  std::vector<int> not_finite;
  {
    const auto context = borrow(math, call.faces.shape.H, count);
    Session& session = this->session(*context, math, call.faces.shape.H, count);
    const GeneratorPlan& plan = session.plan;
    const auto& at = plan.at;
    float* const host = context->staging.data();
    float* const device = context->at<float>(plan.pictures);
    const cudaStream_t stream = context->stream.get();

    const auto part = [&](auto view) {  // the values of these images
      if (!view.data) return std::span(view.data, 0);
      const std::size_t each = view.count() / std::size_t(call.faces.shape.N);
      return std::span(view.data + each * std::size_t(first), each * std::size_t(count));
    };
    std::ranges::copy(part(call.faces), host + at.faces);
    std::ranges::copy(part(call.aus), host + at.aus);
    std::fill(host + at.flags, host + at.out, 0.f);  // a zero in every type
    EMO_CUDA(cudaMemcpyAsync(device, host, at.out * sizeof(float), cudaMemcpyHostToDevice, stream));
    if (call.sink) {
      enqueue(plan, *context, call.sink);
    } else {
      launch(session, *context);
    }
    const bool all = call.sink || call.colour.data;
    const std::size_t end = all ? at.end : call.mask.data ? at.colour : at.mask;
    EMO_CUDA(cudaMemcpyAsync(host + at.flags, device + at.flags, (end - at.flags) * sizeof(float), cudaMemcpyDeviceToHost,
                             stream));
    context->stream.wait();

    const auto take = [&](int n, std::size_t from, TensorView<float> to) {
      const auto values = part(to);
      const std::size_t each = values.size() / std::size_t(count);
      std::copy_n(host + from + each * std::size_t(n), each, values.data() + each * std::size_t(n));
    };
    for (int n = 0; n < count; ++n) {
      if (is_set(host[at.flags + std::size_t(n)])) {
        not_finite.push_back(first + n);
        continue;
      }
      take(n, at.out, call.out);
      take(n, at.mask, call.mask);
      take(n, at.colour, call.colour);
    }
    if (call.sink) {
      const std::size_t head = plan.rows.size() - 1;
      const Shape &colour = plan.layers[head].out, &mask = plan.layers[head + 1].out;
      (*call.sink)(plan.layers[head].key, {host + at.colour, colour});
      (*call.sink)(plan.layers[head + 1].key, {host + at.mask, mask});
      (*call.sink)("output", {host + at.out, colour});
    }
  }
  for (const int n : not_finite) {
    if (math != MathType::kF16) {
      refuse_not_finite(call, n, file_.name(), name_of(math));
      continue;
    }
    if (note_ && !noted_.exchange(true)) {
      note_(concat("generate: image ", n + 1, " of ", call.faces.shape.N, " came out with NaN or infinity under ",
                   file_.name(),
                   " in fp16 and is computed in fp32, as others will be; `precision` fp32 spares the first try"));
    }
    run(MathType::kFP32, call, n, 1);
  }
}

/// The network, from pictures.faces and .aus to .out, .mask and .colour.
void CudaGenerator::enqueue(const GeneratorPlan& plan, const Context& context, const LayerSink* sink) const {
  const cudaStream_t stream = context.stream.get();
  const GeneratorWeights& weights = this->weights(plan.math);
  float* const pictures = context.at<float>(plan.pictures);
  float* const bias = context.at<float>(plan.au_bias);
  const MathType math = plan.math;
  const LayerSpec& first = plan.layers[0];
  const int N = plan.N, side = first.in.H;

  fold_aus(pictures + plan.at.aus, weights.au(), bias, N, int(config_.au_names.size()), first.K,
           padded_channels(first.C_out), stream);
  unfold_rows(math, pictures + plan.at.faces, context.at<void>(plan.rows[0].input), N, side, side, first.K, stream);

  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    const LayerSpec& layer = plan.layers[i];
    const GeneratorPlan::Row& row = plan.rows[i];
    const bool head = layer.norm == Norm::kNone;
    ConvEpilogue epilogue;
    if (i == 0) epilogue = {.bias = bias, .border = layer.P};
    if (!head) epilogue.moments = context.at<Moments>(row.moments);
    conv2d(math, row.conv, row.cut, context.at<void>(row.input), weights.row(i).weights, context.at<void>(row.sums),
           !head && sums_as_operands(math), epilogue, {context.at<float>(row.split_sums), context.counters.data()}, stream);
    if (head) {
      heads(context.at<float>(row.sums), N, side, side, layer.K,
            {.face = pictures + plan.at.faces,
             .out = pictures + plan.at.out,
             .mask = pictures + plan.at.mask,
             .colour = pictures + plan.at.colour,
             .rgb = nullptr,
             .not_finite = reinterpret_cast<unsigned*>(pictures + plan.at.flags),
             .mask_keeps_image = config_.mask_keeps_image},
            stream);
      break;
    }
    const GeneratorWeights::Row& weight = weights.row(i);
    const void* const sums = context.at<void>(row.sums);
    void* const output = context.at<void>(plan.rows[i + 1].input);
    const bool relu = ends_in_relu(layer), as_operands = sums_as_operands(math);
    const void* const added = layer.adds_block_input ? context.at<void>(plan.rows[i - 1].input) : nullptr;
    const float eps = float(config_.norm_eps);
    if (merges_in_norm(row.conv)) {
      merged_instance_norm(math, row.conv, sums, as_operands, epilogue.moments, weight.gamma, eps, weight.beta, relu, added,
                           output, stream);
    } else {
      auto* const coefficients = context.at<NormCoefficients>(row.coefficients);
      merge_moments(row.conv, epilogue.moments, weight.gamma, eps, coefficients, stream);
      instance_norm(math, row.conv.out(), sums, as_operands, coefficients, weight.beta, relu, added, output, stream);
    }
    if (sink) show(plan, i, context, *sink);
  }
}

/// Gives row i's output, as the next row reads it, to the sink.
void CudaGenerator::show(const GeneratorPlan& plan, std::size_t i, const Context& context, const LayerSink& sink) {
  const PlannedBuffer& output = plan.rows[i + 1].input;
  const Shape& shape = plan.layers[i].out;
  const std::size_t C = std::size_t(plan.rows[i].conv.C_out);
  std::vector<std::byte> operands(output.bytes);
  EMO_CUDA(cudaMemcpyAsync(operands.data(), context.at<void>(output), operands.size(), cudaMemcpyDeviceToHost,
                           context.stream.get()));
  context.stream.wait();
  std::vector<float> planar(shape.count());
  for (std::size_t j = 0; j < planar.size(); ++j) {
    planar[j] = to_float(plan.math, operands.data(), j % shape.plane() * C + j / shape.plane());
  }
  sink(plan.layers[i].key, {planar.data(), shape});
}

}  // namespace emo
