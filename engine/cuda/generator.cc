#include "engine/cuda/generator.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "base/dtype.h"
#include "engine/cuda/graph.h"
#include "engine/shared/generate_call.h"
#include "kernels/first_layer.h"
#include "kernels/heads.h"
#include "kernels/instance_norm.h"

namespace emo {
namespace {

/// Images of a run. Past this a batch gains nothing: every multiprocessor has its blocks many times over.
constexpr int kMaxPart = 64;

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

}  // namespace

struct CudaGenerator::Context {
  struct Session {
    GeneratorPlan plan;
    Graph graph;
  };

  Stream stream;
  DeviceBuffer<std::byte> memory;
  DeviceBuffer<unsigned> counters;                             // zero between runs, whatever the plan
  PinnedBuffer<float> staging;                                 // GeneratorPlan::pictures on the host
  std::map<std::tuple<MathType, int, int>, Session> sessions;  // by math, side and N

  /// Makes room. Graphs hold addresses: they are recorded again where those change.
  void reserve(const GeneratorPlan& plan) {
    if (plan.at.end > staging.size()) {
      staging = {};
      staging = PinnedBuffer<float>(plan.at.end);
    }
    if (plan.bytes <= memory.size() && plan.counters <= counters.size()) return;
    sessions.clear();
    memory = {};
    memory = DeviceBuffer<std::byte>(plan.bytes, "a call of the generator");
    if (plan.counters <= counters.size()) return;
    counters = DeviceBuffer<unsigned>(plan.counters, "a call of the generator");
    EMO_CUDA(cudaMemsetAsync(counters.data(), 0, plan.counters * sizeof(unsigned), stream.get()));
  }

  template <typename T>
  T* at(const PlannedBuffer& buffer) const {
    return reinterpret_cast<T*>(memory.data() + buffer.offset);
  }
};

CudaGenerator::CudaGenerator(const ModelFile& file, Precision precision, std::function<void(const std::string&)> note)
    : file_(file), config_(file.generator()), math_(math_of(precision)), note_(std::move(note)) {
  int device = 0;
  EMO_CUDA(cudaGetDevice(&device));
  EMO_CUDA(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device));
  weights(math_);
}

CudaGenerator::~CudaGenerator() = default;

/// Those of fp32 are packed when an image needs them.
const GeneratorWeights& CudaGenerator::weights(MathType math) const {
  const std::lock_guard lock(weights_mutex_);
  auto& weights = weights_[std::size_t(math)];
  if (!weights) weights = std::make_unique<GeneratorWeights>(file_, math);
  return *weights;
}

void CudaGenerator::generate(const GenerateCall& call) const {
  check(call, config_);
  const int N = call.faces.shape.N;
  for (int n = 0; n < N; n += kMaxPart) run(math_, call, n, std::min(kMaxPart, N - n));
}

/// Images first .. first + count - 1 of the call.
void CudaGenerator::run(MathType math, const GenerateCall& call, int first, int count) const {
  std::vector<int> not_finite;
  {
    const auto context = contexts_.borrow([] { return std::make_unique<Context>(); });
    const Stream& stream = context->stream;
    const std::tuple key{math, call.faces.shape.H, count};
    auto session = context->sessions.find(key);
    if (session == context->sessions.end()) {
      GeneratorPlan plan(config_, math, call.faces.shape.H, count, multiprocessors_);
      context->reserve(plan);
      session = context->sessions.emplace(key, Context::Session{std::move(plan), {}}).first;
    }
    const GeneratorPlan& plan = session->second.plan;
    Graph& graph = session->second.graph;

    float* const host = context->staging.data();
    float* const device = context->at<float>(plan.pictures);
    const auto part = [&](auto view) {  // the values of these images
      const std::size_t each = view.count() / std::size_t(call.faces.shape.N);
      return std::span(view.data + each * std::size_t(first), view.data ? each * std::size_t(count) : 0);
    };
    std::ranges::copy(part(call.faces), host + plan.at.faces);
    std::ranges::copy(part(call.aus), host + plan.at.aus);
    std::fill(host + plan.at.flags, host + plan.at.out, 0.f);  // zero in every type
    EMO_CUDA(cudaMemcpyAsync(device, host, plan.at.out * sizeof(float), cudaMemcpyHostToDevice, stream.get()));

    if (graph && !call.sink) {
      graph.launch(stream);
    } else {
      enqueue(plan, *context, call.sink);
      // Recorded after it has run once: what the driver loads with a kernel's first launch is then there.
      if (!call.sink) graph = Graph(stream, [&] { enqueue(plan, *context, nullptr); });
    }

    const bool all = call.sink || call.colour.data;
    const std::size_t end = all ? plan.at.end : call.mask.data ? plan.at.colour : plan.at.mask;
    EMO_CUDA(cudaMemcpyAsync(host + plan.at.flags, device + plan.at.flags, (end - plan.at.flags) * sizeof(float),
                             cudaMemcpyDeviceToHost, stream.get()));
    stream.wait();

    const auto* flags = reinterpret_cast<const unsigned*>(host + plan.at.flags);
    const auto take = [&](int n, std::size_t from, TensorView<float> to) {
      const auto values = part(to);
      const std::size_t each = values.size() / std::size_t(count);
      std::copy_n(host + from + each * std::size_t(n), each, values.data() + each * std::size_t(n));
    };
    for (int n = 0; n < count; ++n) {
      if (flags[n]) {
        not_finite.push_back(first + n);
        continue;
      }
      take(n, plan.at.out, call.out);
      take(n, plan.at.mask, call.mask);
      take(n, plan.at.colour, call.colour);
    }
    if (call.sink) {
      const std::size_t head = plan.rows.size() - 1;
      const Shape &colour = plan.layers[head].out, &mask = plan.layers[head + 1].out;
      (*call.sink)(plan.layers[head].key, {host + plan.at.colour, colour});
      (*call.sink)(plan.layers[head + 1].key, {host + plan.at.mask, mask});
      (*call.sink)("output", {host + plan.at.out, colour});
    }
  }
  for (const int n : not_finite) {
    if (math != MathType::kF16) fail_not_finite(call, n, file_.name(), name_of(math));
    if (note_ && !noted_.exchange(true)) {
      note_(concat("generate: image ", n + 1, " of ", call.faces.shape.N, " came out with NaN or infinity under ",
                   file_.name(),
                   " in fp16 and is computed in fp32, as others will be; --precision fp32 spares the first try"));
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
    auto* const coefficients = context.at<NormCoefficients>(row.coefficients);
    float* const kept = context.at<float>(plan.stream);
    const bool adds = layer.adds_block_input;
    merge_moments(row.conv, epilogue.moments, weights.row(i).gamma, float(config_.norm_eps), coefficients, stream);
    instance_norm(math, row.conv.out(), context.at<void>(row.sums), sums_as_operands(math), coefficients,
                  weights.row(i).beta, layer.act == Act::kRelu, adds ? kept : nullptr,
                  adds || plan.feeds_block(i) ? kept : nullptr, context.at<void>(plan.rows[i + 1].input), stream);
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
