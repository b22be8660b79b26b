#pragma once

#include <cstddef>

#include "cuda_runtime.h"

// The part of cuFFT that this project uses, answered by KissFFT: real to complex, one dimension, many at a time.

using cufftHandle = int;
using cufftReal = float;
using cufftComplex = float2;
enum cufftResult {
  CUFFT_SUCCESS = 0,
  CUFFT_INVALID_PLAN = 1,
  CUFFT_ALLOC_FAILED = 2,
  CUFFT_INVALID_VALUE = 4,
  CUFFT_EXEC_FAILED = 6,
  CUFFT_INVALID_SIZE = 8
};
enum cufftType { CUFFT_R2C = 0x2a };

cufftResult cufftCreate(cufftHandle* plan);
cufftResult cufftDestroy(cufftHandle plan);
cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream);
cufftResult cufftSetAutoAllocation(cufftHandle plan, int on);
cufftResult cufftSetWorkArea(cufftHandle plan, void* area);
/// rank 1, n[0] even. Where `embed` is null, transforms lie one after another: n floats in, n / 2 + 1 complex values out.
cufftResult cufftMakePlanMany(cufftHandle plan, int rank, int* n, int* in_embed, int in_stride, int in_distance,
                              int* out_embed, int out_stride, int out_distance, cufftType type, int batch,
                              std::size_t* work_bytes);
cufftResult cufftPlanMany(cufftHandle* plan, int rank, int* n, int* in_embed, int in_stride, int in_distance, int* out_embed,
                          int out_stride, int out_distance, cufftType type, int batch);
cufftResult cufftExecR2C(cufftHandle plan, cufftReal* in, cufftComplex* out);
