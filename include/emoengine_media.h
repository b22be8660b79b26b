// emoengine_media.h: pictures, faces, sounds and videos, for who does not bring their own. The functions open plug-ins of
// libemoengine.so.0 (package libemoengine-media0) when they are first called; without them they fail with EMO_DEVICE.
// The rules are those of emoengine.h.
#ifndef EMOENGINE_MEDIA_H
#define EMOENGINE_MEDIA_H

#include "emoengine.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Pictures: JPEG, PNG, WebP, HEIC, AVIF, JPEG XL, TIFF, BMP, told by their content; upright, in sRGB.

typedef struct emo_picture emo_picture;
// At most 50 megapixels and 16384 px a side.
EMO_API emo_status emo_read_picture(const emo_source* source, emo_picture** picture);
// The pixels, which may be written to: EMO_RGB8, or EMO_RGBA8 when the file has alpha. They live as long as the picture.
EMO_API emo_status emo_picture_image(emo_picture* picture, emo_image* image);
EMO_API void emo_picture_free(emo_picture* picture);
// By the path's ending: .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff. The file is there when it is whole.
EMO_API emo_status emo_write_picture(const emo_image* image, const char* path);

typedef struct emo_bytes emo_bytes;
// The same into memory; `format` is "png", "jpg" ...
EMO_API emo_status emo_encode_picture(const emo_image* image, const char* format, emo_bytes** bytes);
EMO_API const void* emo_bytes_data(const emo_bytes* bytes, size_t* size);
EMO_API void emo_bytes_free(emo_bytes* bytes);

// What reads and writes pictures' pixels in a plug-in that was built without a codec, as the Python package's is. Both
// functions are called from any thread; they return 0, or anything else when the picture cannot be decoded or written.
typedef struct emo_picture_codec {
  uint32_t size;
  int32_t reserved;  // 0
  // Decodes a JPEG, PNG, WebP, TIFF or BMP and gives `take` its pixels as stored: neither turned nor converted.
  int32_t (*decode)(void* user, const void* file, size_t bytes, void (*take)(void* to, const emo_image* image), void* to);
  // Gives `take` the bytes of a file of a format: "png", "jpg" ...
  int32_t (*encode)(void* user, const emo_image* image, const char* format,
                    void (*take)(void* to, const void* file, size_t bytes), void* to);
  void* user;
} emo_picture_codec;
// For the rest of the process. EMO_DEVICE where the plug-in has its own.
EMO_API emo_status emo_set_picture_codec(const emo_picture_codec* codec);

// ---- Faces seen from the front, the largest first; upright ones where the engine has no face reader.

// Writes the first `capacity` boxes, and to `found` how many faces there are, which may be more, or none. With a capacity
// of 1 it looks for the largest, which is faster; a smaller face may then be missed.
EMO_API emo_status emo_find_faces(emo_engine* engine, const emo_image* image, emo_box* boxes, int32_t capacity,
                                  int32_t* found);

// ---- Sounds: WAV, AIFF, AU, CAF, FLAC, Ogg, MP3, M4A, WMA and more, or a video's, told by content; at most 10 minutes.

typedef struct emo_sound emo_sound;
// Mixed to mono and resampled to `sample_rate_hz`: emo_sample_rate() for a voice, EMO_VIDEO_SOUND_HZ for a video.
EMO_API emo_status emo_read_sound(const emo_source* source, int32_t sample_rate_hz, emo_sound** sound);
// They live as long as the sound.
EMO_API const float* emo_sound_pcm(const emo_sound* sound, size_t* samples);
EMO_API void emo_sound_free(emo_sound* sound);

// ---- Videos: a handle is used by one thread at a time.

#define EMO_VIDEO_SOUND_HZ 48000

typedef struct emo_video_reader emo_video_reader;
// MP4, MOV, WebM, Matroska, AVI, MPEG-TS, Ogg, FLV, GIF. `fps` and `seconds` may be NULL.
EMO_API emo_status emo_read_video(const emo_source* source, double* fps, double* seconds, emo_video_reader** reader);
// The next frame, EMO_RGB8, valid until the next call, and its time. At the end frame->pixels is NULL.
EMO_API emo_status emo_next_frame(emo_video_reader* reader, emo_image* frame, double* time_s);
EMO_API void emo_video_reader_free(emo_video_reader* reader);

typedef struct emo_video_options {
  uint32_t size;
  int32_t reserved;  // 0
  double fps;        // 0: 25
  const float* pcm;  // its sound, mono at EMO_VIDEO_SOUND_HZ, which is copied; NULL: none
  size_t samples;
} emo_video_options;

typedef struct emo_video_writer emo_video_writer;
// By the path's ending: .mp4, .webm, .gif; without one a folder of PNGs. options may be NULL.
EMO_API emo_status emo_write_video(const char* path, const emo_video_options* options, emo_video_writer** writer);
// All frames have the size of the first.
EMO_API emo_status emo_add_frame(emo_video_writer* writer, const emo_image* frame);
// Writes the rest and puts the file in its place.
EMO_API emo_status emo_finish_video(emo_video_writer* writer);
// Of one that was not finished nothing is left.
EMO_API void emo_video_writer_free(emo_video_writer* writer);

// ---- Animation: a photo that moves as a voice or a table of AUs says.

typedef struct emo_animation {
  uint32_t size;
  int32_t passes;  // as emo_redraw's
  const emo_image* photo;
  emo_box box;             // the face that moves
  int32_t no_blinks;       // 1: no blinks of its own
  int32_t relative;        // as emo_redraw's
  const emo_voice* voice;  // what moves it
  const float* aus;        // or this table: rows of emo_au_count() values, `fps` rows a second
  size_t rows;
  double fps;       // frames a second; 0: 25
  double smooth_s;  // time constant of the smoothing; 0: 0.06; negative: none
  double ease_s;    // from the neutral face at the start and back at the end; 0: 0.3; negative: none
  double lips;      // how far they move with the voice, up to 2; 0: 1, as people's; negative: not. Of a table: whether
                    // its AU20, AU25 and AU26 are those of speech, which are smoothed a third as long
  uint32_t seed;    // of the blinks' times; 0: 1
  int32_t detail;   // as emo_redraw's
  // Takes each frame in its order, on a thread of the engine; `image` is valid during the call. Anything but 0 ends the
  // animation with EMO_CANCELLED.
  int32_t (*frame)(void* user, const emo_image* image, int64_t index, int64_t count);
  void* user;
} emo_animation;
EMO_API emo_status emo_animate(emo_engine* engine, const emo_animation* animation);

#ifdef __cplusplus
}
#endif
#endif
