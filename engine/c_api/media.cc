#include "engine/media/media.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "emoengine_media.h"
#include "engine/c_api/engine.h"
#include "engine/c_api/guard.h"
#include "engine/c_api/images.h"
#include "engine/pipeline/face_finder.h"

struct emo_picture {
  emo_image image;  ///< of `pixels`
  std::vector<std::uint8_t> pixels;
};

struct emo_bytes {
  const std::vector<std::uint8_t> data;
};

struct emo_sound {
  const emo::Clip clip;
};

using namespace emo;
using namespace emo::c_api;

namespace {

std::unique_ptr<emo_picture> picture_of(Image image) {
  const bool opaque = image.alpha.empty();
  auto picture = std::make_unique<emo_picture>();
  if (opaque) {
    picture->pixels = std::move(image.rgb);
  } else {
    picture->pixels.resize(image.alpha.size() * 4);
    for (std::size_t i = 0; i < image.alpha.size(); ++i) {
      std::copy_n(&image.rgb[3 * i], 3, &picture->pixels[4 * i]);
      picture->pixels[4 * i + 3] = image.alpha[i];
    }
  }
  picture->image = {picture->pixels.data(), image.width, image.height, 0, opaque ? EMO_RGB8 : EMO_RGBA8, 0};
  return picture;
}

/// The codec's picture, as a C program describes it.
PictureCodec codec_of(const emo_picture_codec& given) {
  PictureCodec codec;
  codec.decode = [given](std::span<const std::byte> file, const std::function<void(const ImageView&)>& take) {
    const auto receive = [](void* to, const emo_image* image) noexcept {
      guard([&] { (*static_cast<const std::function<void(const ImageView&)>*>(to))(view_of(image, "image")); });
    };
    return given.decode(given.user, file.data(), file.size(), receive, const_cast<void*>(static_cast<const void*>(&take))) ==
           0;
  };
  codec.encode = [given](const ImageView& view, const std::string& format,
                         const std::function<void(std::span<const std::byte>)>& take) {
    const auto receive = [](void* to, const void* file, size_t bytes) noexcept {
      guard([&] {
        (*static_cast<const std::function<void(std::span<const std::byte>)>*>(to))(
            {static_cast<const std::byte*>(file), bytes});
      });
    };
    const emo_image image{
        const_cast<std::uint8_t*>(view.data), view.width, view.height, view.stride, std::int32_t(view.order), 0};
    return given.encode(given.user, &image, format.c_str(), receive, const_cast<void*>(static_cast<const void*>(&take))) ==
           0;
  };
  return codec;
}

}  // namespace

emo_status emo_set_picture_codec(const emo_picture_codec* codec) {
  return guard([&] {
    const auto given = known(codec, "emo_picture_codec", sizeof(emo_picture_codec));
    if (given.reserved != 0) refuse("`reserved`: ", given.reserved, " came; 0 is needed");
    if (!given.decode) refuse("`decode`: NULL came; it is needed");
    if (!given.encode) refuse("`encode`: NULL came; it is needed");
    media().set_codec(codec_of(given));
  });
}

emo_status emo_read_picture(const emo_source* source, emo_picture** picture) {
  return guard([&] {
    auto& out = handle_out(picture, "picture");
    const SourceFile file(needed(source, "source"), "source");
    out = file.read([](const auto& path) { return picture_of(media().load_image(path, {})); }).release();
  });
}

emo_status emo_picture_image(emo_picture* picture, emo_image* image) {
  return guard([&] { needed(image, "image") = needed(picture, "picture").image; });
}

void emo_picture_free(emo_picture* picture) { delete picture; }

emo_status emo_write_picture(const emo_image* image, const char* path) {
  return guard([&] { media().save_image(&needed(path, "path"), image_of(image, "image")); });
}

emo_status emo_encode_picture(const emo_image* image, const char* format, emo_bytes** bytes) {
  return guard([&] {
    auto& out = handle_out(bytes, "bytes");
    const std::string name = concat("picture.", &needed(format, "format"));
    out = new emo_bytes{media().encode_image(name, image_of(image, "image"))};
  });
}

const void* emo_bytes_data(const emo_bytes* bytes, size_t* size) {
  return guarded<const void*>(nullptr, [&] {
    const auto& data = needed(bytes, "bytes").data;
    needed(size, "size") = data.size();
    return data.data();
  });
}

void emo_bytes_free(emo_bytes* bytes) { delete bytes; }

emo_status emo_find_faces(emo_engine* engine, const emo_image* image, emo_box* boxes, int32_t capacity, int32_t* found) {
  return guard([&] {
    const emo_engine& opened = needed(engine, "engine");
    needed(found, "found");
    if (capacity < 0) refuse("`capacity`: ", capacity, " came; at least 0 is needed");
    if (capacity > 0) needed(boxes, "boxes");
    const auto count = capacity == 1 ? FaceCount::kLargest : FaceCount::kAll;
    const auto faces = find_faces(opened.engine, image_of(image, "image"), count);
    for (std::size_t i = 0; i < std::min(faces.size(), std::size_t(capacity)); ++i) {
      boxes[i] = box_of(faces[i]);
    }
    *found = std::int32_t(faces.size());
  });
}

emo_status emo_read_sound(const emo_source* source, int32_t sample_rate_hz, emo_sound** sound) {
  return guard([&] {
    auto& out = handle_out(sound, "sound");
    if (sample_rate_hz < limits::kMinSampleRateHz || sample_rate_hz > limits::kMaxSampleRateHz) {
      refuse("`sample_rate_hz`: ", sample_rate_hz, " came; ", limits::kMinSampleRateHz, " to ", limits::kMaxSampleRateHz,
             " are taken");
    }
    const SourceFile file(needed(source, "source"), "source");
    out = file.read([&](const auto& path) { return new emo_sound{media().load_audio(path, sample_rate_hz, {})}; });
  });
}

const float* emo_sound_pcm(const emo_sound* sound, size_t* samples) {
  return guarded<const float*>(nullptr, [&] {
    const auto& pcm = needed(sound, "sound").clip.pcm;
    needed(samples, "samples") = pcm.size();
    return pcm.data();
  });
}

void emo_sound_free(emo_sound* sound) { delete sound; }
