#include "engine/backend/cuda/warp.h"

#include <cstdint>
#include <cstring>

#include "engine/backend/cuda/image_ops.h"
#include "kernels/draw_moved_face.h"

namespace emo {

void CudaWarp::draw(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out) const {
  check_picture(photo, out);
  const FaceSetup setup(photo, mesh, tone);
  MovedFace face = setup.face();
  const PixelArea area = face.area, reads = setup.reads();
  if (area.width() <= 0 || area.height() <= 0) return;

  // In the buffers lie triangles, patches, shade, tone, the photo's part; then what is drawn.
  std::size_t bytes = 0;
  const auto place = [&](std::size_t size) {
    const std::size_t at = bytes;
    bytes += (size + 15) / 16 * 16;
    return at;
  };
  const std::size_t triangles = setup.triangles().size_bytes(), patches = face.patch_count * sizeof(Patch),
                    shade = mesh.shade.size() * sizeof(float), curve = face.tone.count * sizeof(ToneColour),
                    row = std::size_t(reads.width()) * 3, drawn_row = std::size_t(area.width()) * 3,
                    drawn = drawn_row * std::size_t(area.height());
  const std::size_t triangles_at = place(triangles), patches_at = place(patches), shade_at = place(shade),
                    curve_at = place(curve), photo_at = place(row * std::size_t(reads.height())), drawn_at = place(drawn);

  const auto context = pool_.borrow([] { return std::make_unique<Context>(); });
  context->host.reserve(bytes);
  context->device.reserve(bytes, "a face that is moved");
  std::byte *const host = context->host.data(), *const device = context->device.data();
  const auto put = [&]<typename T>(const T*& values, std::size_t at, std::size_t size) {
    if (size > 0) std::memcpy(host + at, values, size);
    values = reinterpret_cast<const T*>(device + at);
  };
  put(face.triangles, triangles_at, triangles);
  put(face.patches, patches_at, patches);
  put(face.shade, shade_at, shade);
  put(face.tone.colours, curve_at, curve);
  for (int y = reads.top; y < reads.bottom; ++y) {
    copy_pixels(photo.pixel(reads.left, y), photo,
                reinterpret_cast<std::uint8_t*>(host + photo_at + std::size_t(y - reads.top) * row), {}, reads.width());
  }

  const cudaStream_t stream = context->stream.get();
  EMO_CUDA(cudaMemcpyAsync(device, host, drawn_at, cudaMemcpyHostToDevice, stream));
  const PhotoPart part{reinterpret_cast<std::uint8_t*>(device + photo_at), reads.left, reads.top, reads.width(),
                       reads.height()};
  draw_moved_face(face, part, reinterpret_cast<std::uint8_t*>(device + drawn_at), stream);
  EMO_CUDA(cudaMemcpyAsync(host + drawn_at, device + drawn_at, drawn, cudaMemcpyDeviceToHost, stream));
  context->stream.wait();
  for (int y = area.top; y < area.bottom; ++y) {
    copy_pixels(reinterpret_cast<const std::uint8_t*>(host + drawn_at + std::size_t(y - area.top) * drawn_row), {},
                out.pixel(area.left, y), out, area.width());
  }
}

}  // namespace emo
