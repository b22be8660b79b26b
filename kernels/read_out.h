#pragma once

#include <cuda_runtime.h>

#include "kernels/lstm.h"

/// From the LSTM's states to action units: a mean or a last state over a range of rows, and the fully connected layer.
namespace emo {

/// sums[row] = the states of the clip's rows up to this one, in fp64, added in their order.
///
/// states  (rows, columns), device.   clips  (count), device.   sums  (rows, columns), device.
/// Throws Error when the launch fails.
void running_sums(const float* states, int columns, const LstmClip* clips, int count, double* sums, cudaStream_t stream);

/// One row of the answer: states [begin, end) of the clip whose rows begin at first_row. Empty ones give zeros.
struct ReadOutRange {
  int first_row, begin, end;
};

/// The fully connected layer, device, as torch.nn.Linear has it.
struct ReadOutLayer {
  int columns = 0, aus = 0;
  const float* weight = nullptr;  ///< (aus, columns)
  const float* bias = nullptr;    ///< (aus)
};

/// out[r] = bias + weight z;  z is the mean of the range's states or, without sums, the last of the first `forward` columns
/// and the first of the others. fp64 up to the last rounding; a mean costs the same for every range.
///
/// states  (rows, columns), device.   sums  what running_sums() gave, or null.
/// ranges  (count), device.           out   (count, aus), device.
/// Throws Error when the launch fails.
void read_out(const ReadOutLayer& layer, const float* states, const double* sums, int forward, const ReadOutRange* ranges,
              int count, float* out, cudaStream_t stream);

}  // namespace emo
