#pragma once

#include <cuda_runtime.h>

/// The sequence of one LSTM layer in fp32: all that depends on the step before. What does not, W_ih x[t], is one matrix
/// product over all steps, made before by the caller.
namespace emo {

/// The rows of gates and states that belong to one clip.
struct LstmClip {
  int first_row, rows;
};

/// A layer's weights, device, as torch.nn.LSTM has them, its directions one after another.
struct LstmLayer {
  int hidden = 0, directions = 1;
  const float* w_hh = nullptr;  ///< (directions, 4*hidden, hidden), rows stacked i,f,g,o
  const float* bias = nullptr;  ///< (directions, 4*hidden): b_ih + b_hh
};

/// How a sequence (a direction of a clip) is spread over threads. The recurrent weights stay in registers: `lanes` lanes
/// share a unit, each with `slice` columns of its four rows; a block has `units` units, and `blocks` blocks have them all.
/// A sum's order depends on `lanes` and `slice`, they on the hidden size alone: the same bytes under every plan.
struct LstmPlan {
  int lanes = 0, slice = 0, units = 0, blocks = 0;
  bool cluster = false;       ///< blocks tell each other h through their shared memory; false: through device memory
  int sequences_at_once = 0;  ///< of a cooperative launch: the blocks of all have to run at the same time
};

/// Whether lstm() can launch clusters: asks the code that was loaded, since a card of compute capability 9.0 or newer may
/// run what was compiled for an older one.
bool lstm_has_clusters();

/// The plan for so many sequences: one block where its registers hold the weights, else a cluster of at most eight, else
/// blocks of a cooperative grid. clusters: see lstm_has_clusters().
/// Throws Error for a hidden size outside 1 .. limits::kMaxCudaLstmHidden.
LstmPlan lstm_plan(int hidden, int sequences, int multiprocessors, bool clusters);

/// i, f, g, o = gates[t] + bias + W_hh h[t-1];   c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(g);   h[t] = sigmoid(o)
/// tanh(c[t])
///
/// gates    (rows, directions, 4*hidden), W_ih x[t] of every row, device.
/// clips    (count), device; a clip's states do not depend on who else is there.
/// states   (rows, directions*hidden), apart from gates, device: h[t], backward ones in the second half.
/// arrived  (count*directions) counters, device, for a plan of several blocks without clusters; else null.
/// c and h start at zero. sigmoid and tanh are within 2e-7 of their values.
/// Throws Error for a plan of another hidden size, and when the launch fails.
/// Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
void lstm(const LstmLayer& layer, const LstmPlan& plan, const float* gates, const LstmClip* clips, int count, float* states,
          unsigned* arrived, cudaStream_t stream);

}  // namespace emo
