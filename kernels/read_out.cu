#include <cstddef>

#include "kernels/common.cuh"
#include "kernels/launch.h"
#include "kernels/read_out.h"

namespace emo {
namespace {

constexpr int kThreads = 128;

// A thread a column. It is one addition a step where the LSTM before it had a product with a matrix.
__global__ void running_sums_kernel(const float* states, int columns, const LstmClip* clips, double* sums) {
  const int column = blockIdx.x * kThreads + threadIdx.x;
  if (column >= columns) return;
  const LstmClip clip = clips[blockIdx.y];
  const size_t first = size_t(clip.first_row) * columns + column;
  double sum = 0;
#pragma unroll 8
  for (int row = 0; row < clip.rows; ++row) {
    sum += states[first + size_t(row) * columns];
    sums[first + size_t(row) * columns] = sum;
  }
}

// A block a row of the answer, a warp an action unit.
__global__ void read_out_kernel(ReadOutLayer layer, const float* states, const double* sums, int forward,
                                const ReadOutRange* ranges, float* out) {
  SharedMemory smem;
  double* z = smem.take<double>(layer.columns);
  const ReadOutRange range = ranges[blockIdx.x];
  out += size_t(blockIdx.x) * layer.aus;
  if (range.begin >= range.end) {
    for (int au = threadIdx.x; au < layer.aus; au += kThreads) out[au] = 0.f;
    return;
  }
  const auto at = [&](int row, int column) { return size_t(range.first_row + row) * layer.columns + column; };
  for (int i = threadIdx.x; i < layer.columns; i += kThreads) {
    if (sums) {
      const double before = range.begin > 0 ? sums[at(range.begin - 1, i)] : 0.;
      z[i] = (sums[at(range.end - 1, i)] - before) / (range.end - range.begin);
    } else {
      z[i] = states[at(i < forward ? range.end - 1 : range.begin, i)];
    }
  }
  __syncthreads();  // all of z is there
  for (int au = warp_id(); au < layer.aus; au += kThreads / 32) {
    const float* weight = layer.weight + size_t(au) * layer.columns;
    double sum = 0;
    for (int i = lane_id(); i < layer.columns; i += 32) sum += z[i] * weight[i];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
    if (lane_id() == 0) out[au] = float(layer.bias[au] + sum);
  }
}

}  // namespace

void running_sums(const float* states, int columns, const LstmClip* clips, int count, double* sums, cudaStream_t stream) {
  if (count == 0) return;
  launch("running_sums", concat('(', count, ',', columns, ')'), running_sums_kernel,
         {.grid = dim3(ceil_div(columns, kThreads), count), .block = kThreads, .stream = stream}, states, columns, clips,
         sums);
}

void read_out(const ReadOutLayer& layer, const float* states, const double* sums, int forward, const ReadOutRange* ranges,
              int count, float* out, cudaStream_t stream) {
  if (count == 0) return;
  launch("read_out", concat('(', count, ',', layer.columns, ')'), read_out_kernel,
         {.grid = unsigned(count), .block = kThreads, .smem = layer.columns * sizeof(double), .stream = stream}, layer,
         states, sums, forward, ranges, out);
}

}  // namespace emo
