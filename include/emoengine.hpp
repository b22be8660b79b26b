// emoengine.hpp: C++20 over emoengine.h and emoengine_media.h, in this header alone: what crosses into libemoengine.so.0 is
// C. Handles free themselves, failures are thrown as emoengine::Error. The comments of the C headers hold here too.
//
//   emoengine::Engine engine;
//   emoengine::Picture photo = emoengine::read_picture("face.jpg");
//   const auto voice = engine.hear(emoengine::read_sound("voice.wav", engine.sample_rate()));
//   for (const emo_box& face : engine.find_faces(photo)) engine.redraw(photo, face, voice.whole());
//   emoengine::write_picture(photo, "out.png");
#ifndef EMOENGINE_HPP
#define EMOENGINE_HPP

#include <array>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "emoengine.h"
#include "emoengine_media.h"

namespace emoengine {

/// A failure: its status, and the sentence as what().
class Error : public std::runtime_error {
 public:
  Error(emo_status status, const char* text) : std::runtime_error(text), status_(status) {}
  emo_status status() const { return status_; }

 private:
  emo_status status_;
};

inline void check(emo_status status) {
  if (status != EMO_OK) throw Error(status, emo_error());
}

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* handle) const {
    kFree(handle);
  }
};
template <typename T, auto kFree>
using Handle = std::unique_ptr<T, Free<kFree>>;

/// Calls a function whose last argument receives a handle.
template <typename Owner, typename Function, typename... Arguments>
Owner make(Function function, Arguments... arguments) {
  typename Owner::pointer handle = nullptr;
  check(function(arguments..., &handle));
  return Owner(handle);
}

inline emo_source path(const std::string& name) { return {name.c_str(), nullptr, 0}; }
inline emo_source bytes(std::span<const std::byte> data) { return {nullptr, data.data(), data.size()}; }

using Aus = std::vector<float>;
using Face = Handle<emo_face, emo_face_free>;

class Picture {
 public:
  explicit Picture(const emo_source& source)
      : handle_(make<Handle<emo_picture, emo_picture_free>>(emo_read_picture, &source)) {
    check(emo_picture_image(handle_.get(), &image_));
  }
  const emo_image& image() const { return image_; }
  operator const emo_image&() const { return image_; }

 private:
  Handle<emo_picture, emo_picture_free> handle_;
  emo_image image_{};
};

class Sound {
 public:
  Sound(const emo_source& source, int sample_rate_hz)
      : handle_(make<Handle<emo_sound, emo_sound_free>>(emo_read_sound, &source, sample_rate_hz)) {}
  std::span<const float> pcm() const {
    std::size_t samples = 0;
    const float* data = emo_sound_pcm(handle_.get(), &samples);
    return {data, samples};
  }
  operator std::span<const float>() const { return pcm(); }

 private:
  Handle<emo_sound, emo_sound_free> handle_;
};

class Voice {
 public:
  Voice(Handle<emo_voice, emo_voice_free> handle, int au_count)
      : handle_(std::move(handle)), au_count_(std::size_t(au_count)) {}
  Aus whole() const {
    Aus aus(au_count_);
    check(emo_voice_whole(handle_.get(), aus.data()));
    return aus;
  }
  /// A row a time.
  Aus at(std::span<const double> times_s) const {
    Aus aus(au_count_ * times_s.size());
    check(emo_voice_at(handle_.get(), times_s.data(), times_s.size(), aus.data()));
    return aus;
  }
  /// Raises rows at these times to what the lips do; see emo_voice_add_lips.
  void add_lips(std::span<const double> times_s, double amount, Aus& rows) const {
    check(emo_voice_add_lips(handle_.get(), times_s.data(), times_s.size(), amount, rows.data()));
  }
  const emo_voice* get() const { return handle_.get(); }

 private:
  Handle<emo_voice, emo_voice_free> handle_;
  std::size_t au_count_;
};

/// A voice that is still speaking; for one thread at a time.
class Live {
 public:
  Live(Handle<emo_live, emo_live_free> handle, int au_count)
      : handle_(std::move(handle)), au_count_(std::size_t(au_count)) {}
  /// The rows that are known after these samples, one after the other.
  Aus push(std::span<const float> pcm) {
    std::size_t rows = 0;
    check(emo_live_push(handle_.get(), pcm.data(), pcm.size(), &rows));
    return take(rows);
  }
  /// The last rows.
  Aus finish() {
    std::size_t rows = 0;
    check(emo_live_finish(handle_.get(), &rows));
    return take(rows);
  }

 private:
  Aus take(std::size_t rows) {
    Aus aus(rows * au_count_);
    check(emo_live_take(handle_.get(), rows, aus.data()));
    return aus;
  }

  Handle<emo_live, emo_live_free> handle_;
  std::size_t au_count_;
};

/// What emo_read_face() tells.
struct Reading {
  float confidence = 0;
  emo_box box{};
  std::array<float, std::size_t(2) * EMO_LANDMARKS> landmarks{};
  Aus aus;
};

class Engine {
 public:
  explicit Engine(const emo_options& options = emo_default_options())
      : handle_(make<Handle<emo_engine, emo_close>>(emo_open, &options)) {}
  int au_count() const { return emo_au_count(get()); }
  std::string au_name(int index) const { return emo_au_name(get(), index); }
  int sample_rate() const { return emo_sample_rate(get()); }
  int face_side() const { return emo_face_side(get()); }

  Voice hear(std::span<const float> pcm) const {
    return {make<Handle<emo_voice, emo_voice_free>>(emo_hear, get(), pcm.data(), pcm.size()), au_count()};
  }
  /// Rows at 0, 1/fps, 2/fps ... s.
  Live hear_live(double fps) const { return {make<Handle<emo_live, emo_live_free>>(emo_hear_live, get(), fps), au_count()}; }
  /// The faces of a picture, the largest first.
  std::vector<emo_box> find_faces(const emo_image& image) const {
    std::vector<emo_box> boxes(16);
    std::int32_t found = 0;
    for (;;) {
      check(emo_find_faces(get(), &image, boxes.data(), std::int32_t(boxes.size()), &found));
      const bool all = std::size_t(found) <= boxes.size();
      boxes.resize(std::size_t(found));
      if (all) return boxes;
    }
  }
  Reading read(const emo_image& photo, const emo_box& face) const {
    Reading reading;
    reading.aus.resize(std::size_t(au_count()));
    emo_reading out{};
    out.size = sizeof out;
    out.landmarks = reading.landmarks.data();
    out.aus = reading.aus.data();
    check(emo_read_face(get(), &photo, face, &out));
    reading.confidence = out.confidence;
    reading.box = out.box;
    return reading;
  }
  Face cut(const emo_image& photo, const emo_box& face) const { return make<Face>(emo_cut, get(), &photo, face); }
  /// Redraws a face of the photo in place.
  void redraw(const emo_image& photo, const emo_box& face, std::span<const float> aus) const {
    emo_redraw job{};
    job.size = sizeof job;
    job.photo = job.out = &photo;
    job.box = face;
    job.aus = aus.data();
    run({&job, 1});
  }
  /// Redraws many; each has its own status. Throws for the first that failed.
  void run(std::span<emo_redraw> faces) const { check(emo_run(get(), faces.data(), int(faces.size()))); }
  /// What is asked for over what a voice gives; see emo_express().
  Aus express(const char* emotion, const char* au = nullptr, const float* voice = nullptr, float intensity = 1) const {
    Aus aus(static_cast<std::size_t>(au_count()));
    check(emo_express(get(), voice, intensity, emotion, au, aus.data()));
    return aus;
  }
  /// For functions that have no form here.
  emo_engine* get() const { return handle_.get(); }

 private:
  Handle<emo_engine, emo_close> handle_;
};

inline Picture read_picture(const std::string& file) { return Picture(path(file)); }
inline void write_picture(const emo_image& image, const std::string& file) {
  check(emo_write_picture(&image, file.c_str()));
}
inline Sound read_sound(const std::string& file, int sample_rate_hz) { return Sound(path(file), sample_rate_hz); }

}  // namespace emoengine

#endif
