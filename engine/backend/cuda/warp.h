#pragma once

#include <cstddef>
#include <memory>

#include "engine/backend/cuda/memory.h"
#include "engine/backend/shared/face_setup.h"
#include "engine/backend/shared/pool.h"

namespace emo {

/// warp_face() on a GPU. The host prepares the triangles; they and the part of the photo that the face is drawn from go to
/// the device in one copy, one kernel draws, and what it drew comes back in one copy. Buffers grow to the largest call.
/// Thread-safe.
class CudaWarp {
 public:
  explicit CudaWarp(int max_contexts = 2) : pool_(max_contexts) {}

  /// See warp_face().
  void draw(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out) const;

 private:
  struct Context {
    Stream stream;
    DeviceBuffer<std::byte> device;
    PinnedBuffer<std::byte> host;
  };
  mutable Pool<Context> pool_;
};

}  // namespace emo
