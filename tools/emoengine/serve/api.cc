#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/expression/animation.h"
#include "engine/expression/au_file.h"
#include "engine/expression/expression.h"
#include "engine/media/video.h"
#include "engine/pipeline/frames.h"
#include "engine/pipeline/shrink.h"
#include "tools/emoengine/serve/disclosure.h"
#include "tools/emoengine/serve/inputs.h"
#include "tools/emoengine/serve/limits.h"
#include "tools/emoengine/serve/multipart.h"
#include "tools/emoengine/serve/routes.h"

/// For people with curl: forms in, pictures, tables and videos out.
namespace emo::serve {
namespace {

using nlohmann::ordered_json;

constexpr double kMaxIntensity = 10;

bool is_on(const Form& form, const char* name, bool otherwise) {
  const auto text = form.text(name);
  if (text.empty()) return otherwise;
  if (text != "on" && text != "off")
    throw HttpError(400, concat("`", name, "`: '", printable(text), "' came; on or off is needed"));
  return text == "on";
}

Drawing drawing_of(const Form& form) {
  return {.relative = is_on(form, "relative", false),
          .passes = int(std::lround(form.number("passes", 1, 1, limits::kMaxPasses))),
          .detail = read_detail(form.find("detail") ? form.text("detail") : "auto")};
}

/// Redraws a photo's faces and gives the PNG.
Awaitable<Response> picture(Call& call, Image& photo, const std::vector<Box>& faces, const ActionUnits& au,
                            const Drawing& drawing) {
  std::vector<FaceJob> jobs;
  for (const Box& face : faces) {
    jobs.push_back({.photo = photo, .face = face, .au = au, .drawing = drawing, .out = photo});
  }
  co_await call.ticket.redraw(jobs);
  Response response{.type = "image/png"};
  co_await call.ticket.run([&] { response.body = disclosed_png(media().encode_image("picture.png", photo)); });
  co_return response;
}

Awaitable<Response> run(Call& call) {
  const Engine& engine = call.app.needed_engine();
  const Form form(call.request.header("content-type"), call.request.body);
  form.only({"image", "audio", "face", "passes", "intensity", "relative", "detail"});
  const auto image = form.needed("image"), audio = form.needed("audio");
  const Drawing drawing = drawing_of(form);
  const double intensity = form.number("intensity", 1, 0, kMaxIntensity);
  Image photo;
  std::vector<Box> faces;
  ActionUnits au(engine.speech_config().au_names);
  co_await call.ticket.run([&] {
    photo = read_photo(image, call.app.options.image);
    faces = choose_faces(engine, photo, form.text("face"));
  });
  const Charge charge(call.app, photo.rgb.size());
  co_await call.ticket.run([&] {
    const Clip clip = read_voice(audio, engine.speech_config().sample_rate_hz, call.app.options.audio);
    au = Expression{.intensity = intensity}.over(engine.hear(clip.pcm).whole());
  });
  co_return co_await picture(call, photo, faces, au, drawing);
}

Awaitable<Response> generate(Call& call) {
  const Engine& engine = call.app.needed_engine();
  const Form form(call.request.header("content-type"), call.request.body);
  form.only({"image", "aus", "face", "passes", "relative", "detail"});
  const auto image = form.needed("image");
  const auto aus = form.needed("aus");
  const Drawing drawing = drawing_of(form);
  Image photo;
  std::vector<Box> faces;
  ActionUnits au(engine.generator_config().au_names);
  co_await call.ticket.run([&] {
    au = read_aus(read_json(aus, "`aus`"), au.names());
    photo = read_photo(image, call.app.options.image);
    faces = choose_faces(engine, photo, form.text("face"));
  });
  const Charge charge(call.app, photo.rgb.size());
  co_return co_await picture(call, photo, faces, au, drawing);
}

Awaitable<Response> aus(Call& call) {
  const Engine& engine = call.app.needed_engine();
  const Form form(call.request.header("content-type"), call.request.body);
  form.only({"audio", "fps", "lips"});
  const auto audio = form.needed("audio");
  const double fps = form.number("fps", 25, limits::kMinFps, limits::kMaxFps);
  const double lips = form.number("lips", 1, 0, limits::kMaxLips);
  Response response;
  co_await call.ticket.run([&] {
    const Clip clip = read_voice(audio, engine.speech_config().sample_rate_hz, call.app.options.audio);
    const Voice voice = engine.hear(clip.pcm);
    AuCurve curve = voice.per_frame(fps);
    voice.add_lips(curve, lips);
    if (call.accepts("text/csv")) {
      response.type = "text/csv";
      response.body = to_csv(curve);
      return;
    }
    ordered_json json{{"au_names", curve.names}, {"aus", voice.whole().values()}};
    add_emotion(json, voice.whole());
    json["seconds"] = voice.seconds();
    json["fps"] = fps;
    json["rows"] = rows_of(curve);
    response.body = json.dump();
  });
  co_return response;
}

/// All that an animation needs, once its form was read.
struct Animation {
  std::unique_ptr<Charge> charge;
  Image photo;
  std::vector<Box> faces;
  AuCurve curve;
  Clip sound;
  double fps = 25;
  Drawing drawing;
  bool gif = false;
};

/// Brings sound beyond full scale to it: an encoder would cut the peaks off.
void turn_down(Clip& sound) {
  float peak = 1;
  for (const float x : sound.pcm) peak = std::max(peak, std::abs(x));
  if (peak > 1) std::ranges::for_each(sound.pcm, [peak](float& x) { x /= peak; });
}

void read_sound_and_curve(const Form& form, const App& app, Animation& animation) {
  const Engine& engine = app.needed_engine();
  const auto audio = form.text("audio"), curve = form.text("curve");
  const double lips = form.number("lips", 1, 0, limits::kMaxLips);
  AnimationOptions options{.fps = animation.fps, .lips_move = lips > 0};
  const Expression expression{.intensity = form.number("intensity", 1, 0, kMaxIntensity)};
  double seconds = 0;
  if (!audio.empty()) {
    const Clip clip = read_voice(audio, engine.speech_config().sample_rate_hz, app.options.audio);
    seconds = clip.seconds();
    if (curve.empty()) {
      const Voice voice = engine.hear(clip.pcm);
      animation.curve = voice.per_frame(animation.fps);
      expression.apply(animation.curve);
      voice.add_lips(animation.curve, lips);
    }
    if (!animation.gif) {
      animation.sound = read_voice(audio, Video::kSoundRateHz, app.options.audio);
      turn_down(animation.sound);
    }
  }
  if (!curve.empty()) {  // shown as it was drawn: whoever made it has smoothed it
    animation.curve = read_curve(curve, engine.generator_config().au_names, animation.fps);
    expression.apply(animation.curve);
    options.smooth_s = options.ease_s = 0;
    options.blink = false;
    if (seconds == 0 && animation.curve.rows() > 1) seconds = animation.curve.times_s.back() + 1 / animation.fps;
  }
  options.smooth_s = form.number("smooth", options.smooth_s, 0, limits::kMaxSmoothSeconds);
  options.ease_s = form.number("ease", options.ease_s, 0, limits::kMaxEaseSeconds);
  options.blink = is_on(form, "blink", options.blink);
  if (seconds == 0)
    throw HttpError(400, "`curve`: one row came, which is no movement; send more, or `audio` for its length");
  if (seconds > app.options.audio.max_seconds) {
    throw HttpError(400, concat("`curve`: lasts ", seconds, " s; at most ", app.options.audio.max_seconds, " s are taken"));
  }
  const auto frames = std::size_t(std::max(1.0, std::ceil(seconds * animation.fps - 1e-3)));
  animation.curve = animation_curve(animation.curve, frames, options);
}

/// A GIF on its way gets the disclosure behind its header.
class GifSink {
 public:
  explicit GifSink(ByteStream& to) : to_(to) {}
  bool push(std::span<const std::uint8_t> bytes) {
    if (!head_) return to_.push(bytes);
    head_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t header = gif_header_bytes(*head_);
    if (header == 0) return true;
    head_->insert(header, gif_disclosure());
    const auto text = std::move(*head_);
    head_.reset();
    return to_.push({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }

 private:
  ByteStream& to_;
  std::optional<std::string> head_ = std::string();
};

void draw_animation(const Engine& engine, Animation& animation, ByteStream& out, const std::atomic<bool>& stopped) {
  if (stopped || out.abandoned()) return;  // while it waited for its turn
  const auto gif = std::make_shared<GifSink>(out);
  const auto sink = [&out, gif, is_gif = animation.gif](std::span<const std::uint8_t> bytes) {
    return is_gif ? gif->push(bytes) : out.push(bytes);
  };
  const auto writer = video().write(
      animation.gif ? "video.gif" : "video.mp4",
      {.fps = animation.fps, .sound = std::move(animation.sound), .sink = sink, .xmp = std::string(disclosure())});
  const auto source = photo_source(
      std::make_shared<Still>(engine, std::move(animation.photo), std::move(animation.faces), animation.drawing),
      std::move(animation.curve));
  draw(engine, *source, *writer, {.drawing = animation.drawing, .stop = [&] { return stopped || out.abandoned(); }});
  if (stopped || out.abandoned()) fail(ErrorKind::kCancelled, "the animation was cancelled");
  writer->finish();
}

Awaitable<Response> animate(Call& call) {
  App& app = call.app;
  const Engine& engine = app.needed_engine();
  const Form form(call.request.header("content-type"), call.request.body);
  form.only({"image", "audio", "curve", "format", "fps", "intensity", "face", "passes", "smooth", "ease", "blink", "lips",
             "relative", "detail"});
  const auto image = form.needed("image");
  if (form.text("audio").empty() && form.text("curve").empty()) {
    throw HttpError(400, "`audio`: nothing says how the face moves; send `audio`, `curve` or both");
  }
  const auto format = form.text("format");
  if (!format.empty() && format != "mp4" && format != "gif") {
    throw HttpError(400, concat("`format`: '", printable(format), "' came; mp4 or gif is needed"));
  }
  const auto animation = std::make_shared<Animation>();
  animation->gif = format == "gif";
  const VideoKind kind = video().kind(animation->gif ? "video.gif" : "video.mp4", "");
  animation->fps = form.number("fps", 25, 1, std::min(60.0, kind.max_fps));
  animation->drawing = drawing_of(form);
  co_await call.ticket.run([&] {
    animation->photo = read_photo(image, app.options.image);
    animation->faces = choose_faces(engine, animation->photo, form.text("face"));
    const double width = animation->photo.width;
    animation->photo = shrunk(std::move(animation->photo), kind.usual_side);
    const auto scale = float(animation->photo.width / width);
    for (Box& face : animation->faces) face = {face.x * scale, face.y * scale, face.side * scale, face.roll};
    animation->charge = std::make_unique<Charge>(app, animation->photo.rgb.size());
  });
  co_await call.ticket.run([&] { read_sound_and_curve(form, app, *animation); });
  Response response{.type = animation->gif ? "image/gif" : "video/mp4"};
  response.stream = std::make_shared<ByteStream>();
  app.clips.start([&engine, animation, out = response.stream,
                   stopped = call.ticket.stopped()] { draw_animation(engine, *animation, *out, *stopped); },
                  [out = response.stream](std::exception_ptr error) { out->end(error); }, call.ticket.client(),
                  Scheduler::kNever);
  co_return response;
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/run", false, true, run},
    {"POST", "/v1/generate", false, true, generate},
    {"POST", "/v1/aus", false, true, aus},
    {"POST", "/v1/animate", false, true, animate},
};

}  // namespace

std::span<const Route> api_routes() { return kRoutes; }

}  // namespace emo::serve
