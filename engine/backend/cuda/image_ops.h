#pragma once

#include <span>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/memory.h"
#include "engine/backend/shared/face_taps.h"
#include "engine/backend/shared/pool.h"
#include "kernels/images.h"
#include "weights/config.h"

namespace emo {

/// `count` pixels of a row from a picture of one layout to one of another.
void copy_pixels(const std::uint8_t* from, const ImageView& from_layout, std::uint8_t* to, const ImageView& to_layout,
                 int count);

/// The faces of one call on their way through the device: from each photo the part that its faces need goes there, is
/// changed in place, and comes back, all parts and tables in one copy each way. Buffers grow to the largest call. For one
/// call at a time; everything up to finish() only asks the stream for work.
class CudaPhotos {
 public:
  /// A face in its photo, as RedrawJob has them. Several may share a photo.
  struct Place {
    ImageView photo;
    Box box;
  };

  /// config: must outlive this.
  explicit CudaPhotos(const GeneratorConfig& config) : config_(config) {}

  /// Sends the photos' parts and the tables for faces of shape (1,3,side,side). The photos may change once it has returned.
  /// Throws as Backend::crop does.
  void upload(std::span<const Place> places, const Shape& face, cudaStream_t stream);
  /// Backend::crop of every place, into (N,3,side,side), device.
  void crop(float* faces, cudaStream_t stream) const;
  /// Backend::paste of every place, one after the other. before, after (N,3,side,side), mask (N,1,side,side), device.
  void paste(const float* before, const float* after, const float* mask, cudaStream_t stream) const;
  /// Brings the parts back.
  void download(cudaStream_t stream) const;
  /// Puts what download() brought, once the stream was waited for, into photos[n] of the n-th place, if that has pixels.
  void finish(std::span<const MutableImageView> photos) const;

 private:
  struct Part {  ///< of one photo: all that its faces read or write
    ImageView photo;
    int left, top, right, bottom;
    std::size_t at = 0;  ///< of its pixels in the buffers, bytes

    std::size_t row_bytes() const { return std::size_t(right - left) * 3; }
    std::size_t bytes() const { return row_bytes() * std::size_t(bottom - top); }
  };
  struct Face {
    std::size_t part;
    DeviceTaps columns, rows;
    PasteArea area;
  };

  PixelFormat format() const {
    return {float(config_.pixel_min), float(config_.pixel_max), config_.channel_order == ChannelOrder::kBgr};
  }
  PhotoPart on_device(const Part& part) const;

  const GeneratorConfig& config_;
  int side_ = 0;
  std::vector<Part> parts_;
  std::vector<Face> faces_;
  std::size_t pixels_at_ = 0, bytes_ = 0;  ///< the tables lie before the pixels
  DeviceBuffer<std::byte> device_;
  PinnedBuffer<std::byte> host_;
};

/// crop() and paste() of a backend on a GPU. Thread-safe.
class CudaImageOps {
 public:
  explicit CudaImageOps(const GeneratorConfig& config, int max_contexts = 2) : config_(config), pool_(max_contexts) {}

  /// See Backend::crop.
  void crop(const ImageView& photo, const Box& box, TensorView<float> face) const;
  /// See Backend::paste.
  void paste(const MutableImageView& photo, const Box& box, const FaceChange& face) const;

 private:
  struct Context {
    explicit Context(const GeneratorConfig& config) : photos(config) {}
    /// Makes room for the planes of a call.
    void reserve(std::size_t floats);
    Stream stream;
    CudaPhotos photos;
    DeviceBuffer<float> device;
    PinnedBuffer<float> host;
  };
  Pool<Context>::Lease borrow() const {
    return pool_.borrow([&] { return std::make_unique<Context>(config_); });
  }

  const GeneratorConfig config_;
  mutable Pool<Context> pool_;
};

}  // namespace emo
