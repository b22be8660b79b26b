// Pictures, faces and sounds of files.
#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "binding.h"

namespace emo::python {
namespace {

using Source = std::variant<std::string, nb::bytes>;
using Taken = void (*)(void* to, const void* file, size_t bytes);

emo_source source_of(const Source& source) {
  if (const auto* path = std::get_if<std::string>(&source)) return emoengine::path(*path);
  const auto& bytes = std::get<nb::bytes>(source);
  return {nullptr, bytes.c_str(), bytes.size()};
}

nb::ndarray<nb::numpy, std::uint8_t> read_picture(const Source& source) {
  const Call call;
  const emo_source from = source_of(source);
  std::unique_ptr<emoengine::Picture> picture;
  {
    nb::gil_scoped_release released;
    picture = std::make_unique<emoengine::Picture>(from);
  }
  const emo_image image = picture->image();
  return owning(std::move(picture), static_cast<std::uint8_t*>(image.pixels),
                {std::size_t(image.height), std::size_t(image.width), std::size_t(image.format == EMO_RGBA8 ? 4 : 3)});
}

nb::ndarray<nb::numpy, float> read_sound(const Source& source, int sample_rate_hz) {
  const Call call;
  const emo_source from = source_of(source);
  std::unique_ptr<emoengine::Sound> sound;
  {
    nb::gil_scoped_release released;
    sound = std::make_unique<emoengine::Sound>(from, sample_rate_hz);
  }
  const auto pcm = sound->pcm();
  return owning(std::move(sound), const_cast<float*>(pcm.data()), {pcm.size()});
}

void write_picture(const ConstPixels& pixels, bool bgr, const std::string& path) {
  const Call call;
  const emo_image image = image_of(pixels, bgr);
  nb::gil_scoped_release released;
  emoengine::write_picture(image, path);
}

nb::bytes encode_picture(const ConstPixels& pixels, bool bgr, const std::string& format) {
  const Call call;
  const emo_image image = image_of(pixels, bgr);
  emoengine::Handle<emo_bytes, emo_bytes_free> bytes;
  {
    nb::gil_scoped_release released;
    bytes = emoengine::make<decltype(bytes)>(emo_encode_picture, &image, format.c_str());
  }
  size_t size = 0;
  const void* data = emo_bytes_data(bytes.get(), &size);
  return nb::bytes(data, size);
}

/// The two functions of the package that read and write pictures; they stay for the rest of the process.
nb::callable* codec = nullptr;

std::int32_t decode(void*, const void* file, size_t bytes, void (*take)(void* to, const emo_image* image), void* to) {
  nb::gil_scoped_acquire held;
  try {
    const auto pixels = nb::cast<ConstPixels>(codec[0](nb::bytes(file, bytes)));
    const emo_image image = image_of(pixels, false);
    take(to, &image);
    return 0;
  } catch (const std::exception&) {  // the library says that it cannot be decoded
    return 1;
  }
}

std::int32_t encode(void*, const emo_image* image, const char* format, Taken take, void* to) {
  nb::gil_scoped_acquire held;
  try {
    const std::size_t step = image->format < EMO_RGBA8 ? 3 : 4;
    const std::size_t shape[] = {std::size_t(image->height), std::size_t(image->width), step};
    const std::int64_t strides[] = {std::int64_t(image->stride), std::int64_t(step), 1};
    const nb::ndarray<nb::numpy, std::uint8_t> pixels(image->pixels, 3, shape, nb::handle(), strides);
    const bool bgr = image->format == EMO_BGR8 || image->format == EMO_BGRA8;
    const auto file = nb::cast<nb::bytes>(codec[1](nb::cast(pixels, nb::rv_policy::reference), bgr, format));
    take(to, file.c_str(), file.size());
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

void set_codec(nb::callable decoder, nb::callable encoder) {
  codec = new nb::callable[2]{std::move(decoder), std::move(encoder)};
  emo_picture_codec given{};
  given.size = sizeof given;
  given.decode = decode;
  given.encode = encode;
  nb::gil_scoped_release released;
  emoengine::check(emo_set_picture_codec(&given));
}

}  // namespace

void bind_media(nb::module_& m) {
  m.def("set_codec", set_codec, nb::arg("decode"), nb::arg("encode"));
  m.def("read_picture", read_picture, nb::arg("source"));
  m.def("write_picture", write_picture, nb::arg("pixels"), nb::arg("bgr"), nb::arg("path"));
  m.def("encode_picture", encode_picture, nb::arg("pixels"), nb::arg("bgr"), nb::arg("format"));
  m.def("read_sound", read_sound, nb::arg("source"), nb::arg("sample_rate_hz"));
}

}  // namespace emo::python
