#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "kernels/common.cuh"
#include "kernels/launch.h"
#include "kernels/lstm.h"
#include "kernels/ptx_sm90.h"

namespace emo {
namespace {

#if defined(EMO_SIMT) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
constexpr bool kHasClusters = true;
#else
constexpr bool kHasClusters = false;
#endif

/// How the blocks of a sequence learn each other's h.
enum class Exchange { kBlock, kCluster, kGrid };

/// Twelve warps may have 168 registers each: four slices of 32 weights, and 40 for the rest.
constexpr int kMaxThreads = 384;

/// __expf and __fdividef err by 2 + 1.2 |x| units in the last place of an e that counts only where |x| is small.
__device__ float sigmoid(float x) { return __fdividef(1.f, 1.f + __expf(-x)); }
__device__ float tanh_of(float x) { return 2.f * sigmoid(2.f * x) - 1.f; }

/// The gate (i, f, g, o) whose sum trade() leaves with a lane of a unit.
__device__ int gate_of(int lane) { return 2 * (lane & 1) + (lane >> 1 & 1); }

/// From parts of four gates' sums in each lane of a unit to one whole sum a lane: neighbours trade until each has one gate,
/// of which the unit's further lanes then hold parts.
__device__ float trade(const float (&sum)[4], int lane, int lanes) {
  const bool odd = lane & 1, high = lane & 2;
  const float a = (odd ? sum[2] : sum[0]) + __shfl_xor_sync(kAllLanes, odd ? sum[0] : sum[2], 1);
  const float b = (odd ? sum[3] : sum[1]) + __shfl_xor_sync(kAllLanes, odd ? sum[1] : sum[3], 1);
  float v = (high ? b : a) + __shfl_xor_sync(kAllLanes, high ? a : b, 2);
  for (int apart = 4; apart < lanes; apart *= 2) v += __shfl_xor_sync(kAllLanes, v, apart);
  return v;
}

/// Sends the h of the warp's units to the same place of every block: four units' as one message, a lane for each four and
/// block. The bytes count for `full` there.
__device__ void send(float h, float* to_units_of_block, std::uint64_t* full, int lanes, int blocks) {
  const int fours = 8 / lanes, four = lane_id() % fours, to = lane_id() / fours;
  const auto h_of = [&](int i) { return __shfl_sync(kAllLanes, h, (four * 4 + i) * lanes); };
  const float4 message = {h_of(0), h_of(1), h_of(2), h_of(3)};
  if (to < blocks) ptx::st_async(to_units_of_block + (warp_id() * fours + four) * 4, message, full, to);
}

// A step costs latency more than work, so it has one barrier: h is kept twice, and who writes one copy knows that all have
// read it, since they have sent what they made of it.
template <int kSlice, Exchange kExchange>
__global__ void __launch_bounds__(kMaxThreads)
    lstm_kernel(LstmLayer layer, LstmPlan plan, const float* gates, const LstmClip* clips, int first_sequence, float* states,
                unsigned* arrived) {
  const int H = layer.hidden, lanes = plan.lanes, width = max(lanes * kSlice, plan.blocks * plan.units);
  SharedMemory smem;
  float* h = smem.take<float>(2 * width);
  auto* full = smem.take<std::uint64_t>(2);  // a copy of h has come, from all blocks of the cluster

  const int sequence = first_sequence + int(blockIdx.x) / plan.blocks, rank = int(blockIdx.x) % plan.blocks;
  const int direction = sequence % layer.directions;
  const LstmClip clip = clips[sequence / layer.directions];
  if (clip.rows == 0) return;
  const int lane = threadIdx.x % lanes, j = rank * plan.units + threadIdx.x / lanes;  // of the unit
  const bool real = j < H;                                                            // others fill the last block

  for (int i = threadIdx.x; i < 2 * width; i += blockDim.x) h[i] = 0.f;
  if constexpr (kExchange == Exchange::kCluster && kHasClusters) {
    if (threadIdx.x == 0) {
      for (int i = 0; i < 2; ++i) ptx::mbarrier_init(full + i, 1);
      ptx::fence_mbarrier_init();
      for (int i = 0; i < 2; ++i) ptx::mbarrier_arrive_expect_tx(full + i, plan.blocks * plan.units * int(sizeof(float)));
    }
    ptx::barrier_cluster_arrive();
    ptx::barrier_cluster_wait();  // zeros and barriers are there before anybody sends
  } else {
    __syncthreads();  // zeros are there
  }

  // Neighbours hold neighbouring quads of columns, so that they read h without bank conflicts.
  float w[4][kSlice];
#pragma unroll
  for (int gate = 0; gate < 4; ++gate) {
    const float* row = layer.w_hh + (size_t(direction) * 4 * H + gate * H + j) * H;
#pragma unroll
    for (int i = 0; i < kSlice; ++i) {
      const int k = (i / 4 * lanes + lane) * 4 + i % 4;
      w[gate][i] = real && k < H ? row[k] : 0.f;
    }
  }

  const int gate = gate_of(lane);
  const float bias = real ? layer.bias[size_t(direction) * 4 * H + gate * H + j] : 0.f;
  const ptrdiff_t forward = direction ? -1 : 1, rows = clip.rows;
  ptrdiff_t row = clip.first_row + (direction ? rows - 1 : 0);
  const auto projected = [&](ptrdiff_t row) {
    return real ? gates[((row * layer.directions + direction) * 4 + gate) * H + j] : 0.f;
  };
  float c = 0.f, next_x = projected(row);
  for (int step = 0; step < clip.rows; ++step, row += forward) {
    const float x = next_x;
    if (step + 1 < clip.rows) next_x = projected(row + forward);  // is there a step later

    if constexpr (kExchange == Exchange::kCluster && kHasClusters) {
      if (step > 0) {
        ptx::mbarrier_wait_parity(full + step % 2, (step - 1) / 2 % 2);
        if (threadIdx.x == 0) {  // for the step after the next, which cannot begin without this block
          ptx::mbarrier_arrive_expect_tx(full + step % 2, plan.blocks * plan.units * int(sizeof(float)));
        }
      }
    }
    const auto* from = reinterpret_cast<const float4*>(h + step % 2 * width) + lane;
    float sum[4] = {};
#pragma unroll
    for (int q = 0; q < kSlice / 4; ++q) {
      const float4 v = from[q * lanes];
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        const float* of = w[gate] + 4 * q;
        sum[gate] = fmaf(of[3], v.w, fmaf(of[2], v.z, fmaf(of[1], v.y, fmaf(of[0], v.x, sum[gate]))));
      }
    }

    float v = trade(sum, lane, lanes) + (x + bias);
    v = gate == 2 ? tanh_of(v) : sigmoid(v);

    // Every lane of a unit keeps its c and h. gate_of() is its own inverse.
    const auto activated = [&](int gate) { return __shfl_sync(kAllLanes, v, lane_id() / 4 * 4 + gate_of(gate)); };
    const float i = activated(0), f = activated(1), g = activated(2), o = activated(3);
    c = f * c + i * g;
    const float h_new = o * tanh_of(c);
    float* out = states + (row * layer.directions + direction) * H;
    if (real && lane == 0) out[j] = h_new;
    if (step + 1 == clip.rows) break;

    float* next = h + (step + 1) % 2 * width;
    if constexpr (kExchange == Exchange::kBlock) {
      if (lane == 0) next[j] = h_new;
      __syncthreads();  // all of h is there
    } else if constexpr (kExchange == Exchange::kGrid) {
      grid_sync(arrived + sequence, unsigned(step + 1) * unsigned(plan.blocks));
      for (int k = threadIdx.x; k < H; k += blockDim.x) next[k] = __ldcg(out + k);
      __syncthreads();  // all of h is there
    } else if constexpr (kHasClusters) {
      send(h_new, next + rank * plan.units, full + (step + 1) % 2, lanes, plan.blocks);
    } else {
      __trap();  // without an exchange h would be wrong in silence
    }
  }
}

using Kernel = void (*)(LstmLayer, LstmPlan, const float*, const LstmClip*, int, float*, unsigned*);

template <Exchange kExchange>
Kernel kernel_of_many(int slice) {
  return slice == 24 ? lstm_kernel<24, kExchange> : lstm_kernel<32, kExchange>;
}

Kernel kernel_of(const LstmPlan& plan) {
  if (plan.cluster) return kernel_of_many<Exchange::kCluster>(plan.slice);
  if (plan.blocks > 1) return kernel_of_many<Exchange::kGrid>(plan.slice);
  return plan.slice == 16 ? lstm_kernel<16, Exchange::kBlock> : lstm_kernel<24, Exchange::kBlock>;
}

/// The least lanes * slice that holds all columns. 96 units are the most that one block's registers hold.
constexpr struct { int lanes, slice; } kShapes[] = {{4, 16}, {4, 24}, {4, 32}, {8, 24}, {8, 32}, {16, 24}, {16, 32}};

}  // namespace

bool lstm_has_clusters() {
  cudaFuncAttributes code{};
  EMO_CUDA(cudaFuncGetAttributes(&code, kernel_of_many<Exchange::kCluster>(24)));
  return code.ptxVersion >= 90;  // which no older card runs
}

LstmPlan lstm_plan(int hidden, int sequences, int multiprocessors, bool clusters) {
  EMO_CHECK(hidden >= 1 && hidden <= limits::kMaxCudaLstmHidden, "lstm: a hidden size of ", hidden, "; 1 to ",
            limits::kMaxCudaLstmHidden, " are taken");
  LstmPlan plan;
  for (const auto& shape : kShapes) {
    if (shape.lanes * shape.slice < hidden) continue;
    plan.lanes = shape.lanes;
    plan.slice = shape.slice;
    break;
  }
  const auto spread = [&](int blocks) {  // over whole warps
    const int warp_units = 32 / plan.lanes;
    plan.units = ceil_div(ceil_div(hidden, blocks), warp_units) * warp_units;
    plan.blocks = ceil_div(hidden, plan.units);
  };
  spread(ceil_div(hidden, kMaxThreads / plan.lanes));
  plan.cluster = clusters && plan.blocks > 1 && plan.blocks <= 8;
  // Once blocks have to talk, more of them are faster, down to a warp for each of a multiprocessor's four schedulers.
  while (plan.cluster && 2 * plan.blocks <= 8 && plan.units * plan.lanes >= 256 &&
         sequences * 2 * plan.blocks <= multiprocessors) {
    spread(2 * plan.blocks);
  }
  plan.sequences_at_once = std::max(1, multiprocessors / plan.blocks);
  return plan;
}

void lstm(const LstmLayer& layer, const LstmPlan& plan, const float* gates, const LstmClip* clips, int count, float* states,
          unsigned* arrived, cudaStream_t stream) {
  const int columns = plan.lanes * plan.slice;
  EMO_CHECK(columns >= layer.hidden && plan.blocks * plan.units >= layer.hidden, "lstm: a hidden size of ", layer.hidden,
            "; the plan is for at most ", std::min(columns, plan.blocks * plan.units));
  const int sequences = count * layer.directions;
  const bool cooperative = plan.blocks > 1 && !plan.cluster;
  if (cooperative) EMO_CUDA(cudaMemsetAsync(arrived, 0, sequences * sizeof(unsigned), stream));
  const int at_once = cooperative ? plan.sequences_at_once : sequences;
  for (int first = 0; first < sequences; first += at_once) {
    const LaunchConfig config{.grid = unsigned(std::min(at_once, sequences - first) * plan.blocks),
                              .block = unsigned(plan.units * plan.lanes),
                              .smem = 2 * std::max(columns, plan.blocks * plan.units) * sizeof(float) + 16,
                              .cluster = plan.cluster ? unsigned(plan.blocks) : 1,
                              .cooperative = cooperative,
                              .stream = stream};
    launch("lstm", concat('(', count, ',', layer.directions, ',', layer.hidden, ')'), kernel_of(plan), config, layer, plan,
           gates, clips, first, states, arrived);
  }
}

}  // namespace emo
