#include "engine/backend/cuda/image_ops.h"

#include <algorithm>
#include <cstring>

namespace emo {
namespace {

/// What a table takes in the buffers, bytes: all its values have four.
std::size_t bytes_of(const Taps& taps) { return 4 * (taps.first.size() + taps.begin.size() + taps.weights.size()); }

}  // namespace

void copy_pixels(const std::uint8_t* from, const ImageView& from_layout, std::uint8_t* to, const ImageView& to_layout,
                 int count) {
  const int from_step = from_layout.step(), to_step = to_layout.step();
  const int first = from_layout.bgr() == to_layout.bgr() ? 0 : 2;
  if (from_step == 3 && to_step == 3 && first == 0) {
    std::memcpy(to, from, std::size_t(count) * 3);
    return;
  }
  for (int i = 0; i < count; ++i, from += from_step, to += to_step) {
    to[first] = from[0], to[1] = from[1], to[2 - first] = from[2];
  }
}

void CudaPhotos::upload(std::span<const Place> places, const Shape& face, cudaStream_t stream) {
  side_ = face.H;
  parts_.clear(), faces_.clear();
  std::vector<CropTaps> crops;
  std::vector<PasteTaps> pastes;
  std::size_t tables = 0;
  for (const auto& [photo, box] : places) {
    const CropTaps& crop = crops.emplace_back(crop_taps(photo, box, config_, face));
    const PasteTaps& paste = pastes.emplace_back(paste_taps(photo, box, face));
    tables += bytes_of(crop.columns) + bytes_of(crop.rows);
    tables += bytes_of(paste.columns) + bytes_of(paste.rows) + 4 * (paste.across.size() + paste.down.size());

    auto part = std::ranges::find(parts_, photo.data, [](const Part& known) { return known.photo.data; });
    if (part == parts_.end()) part = parts_.insert(part, {photo, photo.width, photo.height, 0, 0});
    faces_.push_back({.part = std::size_t(part - parts_.begin())});
    const auto include = [&](int left, int top, int right, int bottom) {
      part->left = std::min(part->left, left), part->right = std::max(part->right, right);
      part->top = std::min(part->top, top), part->bottom = std::max(part->bottom, bottom);
    };
    include(crop.columns.from(), crop.rows.from(), crop.columns.to(), crop.rows.to());
    if (paste.W() > 0) include(paste.left, paste.top, paste.left + paste.W(), paste.top + paste.H());
  }
  pixels_at_ = bytes_ = tables;
  for (Part& part : parts_) {
    part.at = bytes_;
    bytes_ += part.bytes();
  }
  host_.reserve(bytes_);
  device_.reserve(bytes_, "a photo's part round its faces");

  std::size_t at = 0;
  const auto put = [&]<typename T>(const std::vector<T>& values) {
    const auto* there = reinterpret_cast<const T*>(device_.data() + at);
    if (!values.empty()) std::memcpy(host_.data() + at, values.data(), values.size() * sizeof(T));
    at += values.size() * sizeof(T);
    return there;
  };
  const auto put_taps = [&](const Taps& taps) {  // in braces the order is that of writing
    return DeviceTaps{put(taps.first), put(taps.begin), put(taps.weights)};
  };
  for (std::size_t n = 0; n < faces_.size(); ++n) {
    const PasteTaps& paste = pastes[n];
    faces_[n].columns = put_taps(crops[n].columns);
    faces_[n].rows = put_taps(crops[n].rows);
    faces_[n].area = {paste.left,           paste.top,         paste.W(),      paste.H(), put_taps(paste.columns),
                      put_taps(paste.rows), put(paste.across), put(paste.down)};
  }
  for (const Part& part : parts_) {
    for (int y = part.top; y < part.bottom; ++y) {
      copy_pixels(part.photo.pixel(part.left, y), part.photo,
                  reinterpret_cast<std::uint8_t*>(host_.data() + part.at + std::size_t(y - part.top) * part.row_bytes()), {},
                  part.right - part.left);
    }
  }
  EMO_CUDA(cudaMemcpyAsync(device_.data(), host_.data(), bytes_, cudaMemcpyHostToDevice, stream));
}

void CudaPhotos::crop(float* faces, cudaStream_t stream) const {
  for (const Face& face : faces_) {
    crop_face(on_device(parts_[face.part]), face.columns, face.rows, format(), faces, side_, stream);
    faces += std::size_t(3) * side_ * side_;
  }
}

void CudaPhotos::paste(const float* before, const float* after, const float* mask, cudaStream_t stream) const {
  const auto plane = std::size_t(side_) * side_;
  for (const Face& face : faces_) {
    if (face.area.W > 0) {
      paste_face(on_device(parts_[face.part]), face.area, {before, after, mask, side_, config_.mask_keeps_image}, format(),
                 stream);
    }
    before += 3 * plane, after += 3 * plane, mask += plane;
  }
}

void CudaPhotos::download(cudaStream_t stream) const {
  EMO_CUDA(cudaMemcpyAsync(host_.data() + pixels_at_, device_.data() + pixels_at_, bytes_ - pixels_at_,
                           cudaMemcpyDeviceToHost, stream));
}

void CudaPhotos::finish(std::span<const MutableImageView> photos) const {
  for (std::size_t n = 0; n < faces_.size(); ++n) {
    if (!photos[n].data) continue;
    const Face& face = faces_[n];
    const Part& part = parts_[face.part];
    for (int y = face.area.top; y < face.area.top + face.area.H; ++y) {
      const std::size_t at = std::size_t(y - part.top) * part.row_bytes() + std::size_t(face.area.left - part.left) * 3;
      copy_pixels(reinterpret_cast<const std::uint8_t*>(host_.data() + part.at + at), {}, photos[n].pixel(face.area.left, y),
                  photos[n], face.area.W);
    }
  }
}

PhotoPart CudaPhotos::on_device(const Part& part) const {
  return {reinterpret_cast<std::uint8_t*>(device_.data() + part.at), part.left, part.top, part.right - part.left,
          part.bottom - part.top};
}

void CudaImageOps::Context::reserve(std::size_t floats) {
  host.reserve(floats);
  device.reserve(floats, "a face");
}

void CudaImageOps::crop(const ImageView& photo, const Box& box, TensorView<float> face) const {
  const auto context = borrow();
  const cudaStream_t stream = context->stream.get();
  const CudaPhotos::Place place{photo, box};
  context->reserve(face.count());
  context->photos.upload({&place, 1}, face.shape, stream);
  context->photos.crop(context->device.data(), stream);
  EMO_CUDA(cudaMemcpyAsync(context->host.data(), context->device.data(), face.count() * sizeof(float),
                           cudaMemcpyDeviceToHost, stream));
  context->stream.wait();
  std::copy_n(context->host.data(), face.count(), face.data);
}

void CudaImageOps::paste(const MutableImageView& photo, const Box& box, const FaceChange& face) const {
  const auto context = borrow();
  const cudaStream_t stream = context->stream.get();
  const CudaPhotos::Place place{photo, box};
  context->photos.upload({&place, 1}, face.before.shape, stream);
  check(face);
  const std::size_t count = face.before.count(), floats = 2 * count + face.mask.count();
  context->reserve(floats);
  std::copy_n(face.before.data, count, context->host.data());
  std::copy_n(face.after.data, count, context->host.data() + count);
  std::copy_n(face.mask.data, face.mask.count(), context->host.data() + 2 * count);
  const float* planes = context->device.data();
  EMO_CUDA(
      cudaMemcpyAsync(context->device.data(), context->host.data(), floats * sizeof(float), cudaMemcpyHostToDevice, stream));
  context->photos.paste(planes, planes + count, planes + 2 * count, stream);
  context->photos.download(stream);
  context->stream.wait();
  context->photos.finish({&photo, 1});
}

}  // namespace emo
