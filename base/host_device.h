#pragma once

/// For arithmetic that the CPU and CUDA kernels share, so that it is written once: such headers need no CUDA toolkit.
#ifdef __CUDACC__
#define EMO_HOST_DEVICE __host__ __device__
#else
#define EMO_HOST_DEVICE
#endif

namespace emo {

/// As std::clamp, which devices lack; and NaN gives `low`, so that what is clamped may become an integer.
EMO_HOST_DEVICE inline float clamped(float v, float low, float high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

}  // namespace emo
