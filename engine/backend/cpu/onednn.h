#pragma once

#include <omp.h>

#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>

/// oneDNN, versions 2 and 3, as the CPU backend uses it.
namespace emo {

/// While it lives, oneDNN makes primitives for one thread: oneDNN 2.6 builds the number of threads into them.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(saved_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_ = omp_get_max_threads();
};

/// A convolution or deconvolution and what it was made of.
template <typename Primitive>
struct Made {
  typename Primitive::primitive_desc desc;
  Primitive primitive;
};

/// With AMX, oneDNN 2.6.3 spoils convolutions that two threads make at the same time: of 450 processes that opened a
/// generator and a face reader at once, one in fifteen read nonsense.
inline std::mutex making_convolutions;

/// Makes one for inference.
template <typename Primitive>
Made<Primitive> make_convolution(const dnnl::engine& engine, dnnl::algorithm algorithm, const dnnl::memory::desc& src,
                                 const dnnl::memory::desc& weights, const dnnl::memory::desc& dst,
                                 const dnnl::memory::dims& strides, const dnnl::memory::dims& before,
                                 const dnnl::memory::dims& after) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  constexpr auto kFor = dnnl::prop_kind::forward_inference;
  const std::lock_guard alone(making_convolutions);
#if DNNL_VERSION_MAJOR < 3
  const typename Primitive::primitive_desc desc({kFor, algorithm, src, weights, dst, strides, before, after}, attr, engine);
#else
  const typename Primitive::primitive_desc desc(engine, kFor, algorithm, src, weights, dst, strides, before, after, attr);
#endif
  return {desc, Primitive(desc)};
}

inline dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  return desc.dims();
#else
  return desc.get_dims();
#endif
}

}  // namespace emo
