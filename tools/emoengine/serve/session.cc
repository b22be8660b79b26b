#include "tools/emoengine/serve/session.h"

#include <algorithm>
#include <bit>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "engine/pipeline/face_finder.h"
#include "engine/pipeline/shrink.h"
#include "tools/emoengine/serve/disclosure.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/inputs.h"
#include "tools/emoengine/serve/limits.h"
#include "tools/emoengine/serve/listener.h"
#include "tools/emoengine/serve/message.h"

namespace emo::serve {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr double kFps = 25;       // of the rows of a voice
constexpr int kPreviewPx = 2048;  // the longest side of a photo for a browser that cannot read it
constexpr int kPartPx = 1024;     // the longest side of a picture of the face alone: a page shows no more
constexpr int kDriverPx = 640;    // a face before a camera is large, and finding one takes the time
constexpr int kWavePoints = 1000;
constexpr double kMaxBlockSeconds = 10;  // of sound in a message

template <typename... Why>
[[noreturn]] void refuse(const Why&... why) {
  throw HttpError(400, concat(why...));
}

double number(const json& header, const char* name, double otherwise, double least, double most) {
  const auto found = header.find(name);
  if (found == header.end()) return otherwise;
  if (found->is_number() && found->get<double>() >= least && found->get<double>() <= most) return found->get<double>();
  refuse("`", name, "`: a number from ", least, " to ", most, " is needed");
}

std::string text(const json& header, const char* name, const std::string& otherwise) {
  const auto found = header.find(name);
  if (found == header.end()) return otherwise;
  if (found->is_string()) return found->get<std::string>();
  refuse("`", name, "`: a text is needed");
}

bool flag(const json& header, const char* name) {
  const auto found = header.find(name);
  if (found == header.end()) return false;
  if (found->is_boolean()) return found->get<bool>();
  refuse("`", name, "`: true or false is needed");
}

ordered_json box_json(double x, double y, double w, double h) {
  const auto tenth = [](double v) { return std::round(v * 10) / 10; };
  return {tenth(x), tenth(y), tenth(w), tenth(h)};
}

Image part_of(const Image& image, int x, int y, int width, int height) {
  Image part(width, height);
  for (int row = 0; row < height; ++row) std::copy_n(image.pixel(x, y + row), std::size_t(width) * 3, part.pixel(0, row));
  return part;
}

ordered_json waveform(std::span<const float> pcm) {
  auto points = ordered_json::array();
  const auto count = std::min<std::size_t>(kWavePoints, pcm.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto [low, high] =
        std::ranges::minmax(pcm.subspan(pcm.size() * i / count, pcm.size() * (i + 1) / count - pcm.size() * i / count));
    const auto short_number = [](float v) { return std::round(double(v) * 1e3) / 1e3; };
    points.push_back({short_number(low), short_number(high)});
  }
  return points;
}

double ms_since(Ticket::Clock::time_point start) {
  const double ms = std::chrono::duration<double, std::milli>(Ticket::Clock::now() - start).count();
  return std::round(ms * 10) / 10;
}

}  // namespace

struct Session::Message {
  json header;
  std::string_view payload;
  std::string type;
  double id = 0;
};

struct Session::Live {
  double id;
  int rate;
  Listener listener;
  Expression expression = {};
  Drawing drawing_as = {};
  std::optional<std::pair<double, ActionUnits>> next = {};  ///< the newest row that has no picture yet, and its time
  bool drawing = false;
};

Session::Session(App& app, Scheduler::Client client, Executor executor, Send send)
    : app_(app), executor_(executor), client_(client), send_(std::move(send)) {
  ++app_.metrics.sessions;
}

Session::~Session() { --app_.metrics.sessions; }

void Session::close() {
  closed_ = true;
  live_.reset();
  for (const auto& weak : tickets_) {
    if (const auto ticket = weak.lock()) ticket->cancel(ErrorKind::kCancelled);
  }
}

void Session::send(const ordered_json& header) {
  if (!closed_) send_(true, header.dump(-1, ' ', false, json::error_handler_t::replace));
}

void Session::send(const ordered_json& header, const std::string& payload) {
  if (!closed_) send_(false, binary_message(header, payload));
}

void Session::send_error(double id, const std::exception_ptr& error) {
  std::string detail;
  const Response response = response_for(error, detail);
  if (!detail.empty()) app_.log.write("error", {{"message", "a session's request failed"}, {"detail", detail}});
  send({{"type", "error"}, {"id", id}, {"error", json::parse(response.body)["error"]}});
}

std::shared_ptr<Ticket> Session::ticket() {
  std::erase_if(tickets_, [](const auto& weak) { return weak.expired(); });
  const auto deadline = Ticket::Clock::now() + std::chrono::milliseconds(app_.options.timeout_ms);
  const auto ticket = std::make_shared<Ticket>(app_, client_, deadline);
  tickets_.push_back(ticket);
  return ticket;
}

void Session::spawn(Awaitable<> work) { boost::asio::co_spawn(executor_, std::move(work), boost::asio::detached); }

Awaitable<bool> Session::receive(bool is_text, std::string bytes) {
  Message message;
  std::exception_ptr error;
  try {
    message.header = read_message(is_text, bytes, message.payload);
    message.type = text(message.header, "type", "");
    message.id = number(message.header, "id", 0, -1e15, 1e15);
    if (!greeted_) co_return hello(message.header);
    co_await answer(message);
  } catch (...) {
    error = std::current_exception();
  }
  if (error) send_error(message.id, error);
  co_return true;
}

bool Session::hello(const json& header) {
  if (text(header, "type", "") != "hello") {
    send({{"type", "error"}, {"id", 0}, {"error", "the first message is to be {\"type\":\"hello\"}"}});
    return false;
  }
  if (app_.clients.keys_needed()) {
    const auto client = app_.clients.by_key(text(header, "key", ""));
    if (!client) {
      send({{"type", "error"}, {"id", 0}, {"error", "`key`: the server needs a key, and this is none of its keys"}});
      return false;
    }
    client_ = *client;
  }
  const Engine& engine = app_.needed_engine();
  const auto& names = engine.generator_config().au_names;
  const std::string backend = engine.backend().describe();  // "cpu: AVX-512, ..."
  ordered_json ready{{"type", "ready"}, {"version", version()}, {"backend", backend.substr(0, backend.find(':'))}};
  ready["au_names"] = names;
  for (const Emotion& emotion : emotions()) {
    ready["emotions"][std::string(emotion.name)] = parse_emotions(emotion.name, names).values();
  }
  ready["image_size"] = engine.generator_config().image_size;
  ready["max_passes"] = limits::kMaxPasses;
  ready["generator_ms"] = std::round(app_.generator_ms * 10) / 10;
  send(ready);
  greeted_ = true;
  return true;
}

Awaitable<> Session::answer(const Message& message) {
  const std::string& type = message.type;
  if (type == "photo") {
    co_await photo(message);
  } else if (type == "face") {
    co_await face(message);
  } else if (type == "voice") {
    co_await voice(message);
  } else if (type == "draw") {
    draw(message);
  } else if (type == "live") {
    live(message);
  } else if (type == "pcm") {
    co_await pcm(message);
  } else if (type == "drive") {
    co_await drive(message);
  } else if (type == "stop") {
    stop(message);
  } else {
    refuse("`type`: '", printable(type), "' came; photo, face, voice, draw, live, pcm, drive or stop is needed");
  }
}

Awaitable<> Session::photo(const Message& message) {
  if (message.payload.empty()) refuse("`image`: came empty; a picture's file is needed behind the header");
  const bool wants_preview = flag(message.header, "preview");
  const auto ticket = this->ticket();
  const Engine& engine = app_.needed_engine();
  auto whole = std::make_shared<Image>();
  std::string preview;
  std::shared_ptr<const Photo> photo;
  std::string tried;
  co_await ticket->run([&] {
    *whole = read_photo(message.payload, app_.options.image);
    auto faces = find_faces(engine, *whole, FaceCount::kAll, &tried);
    if (faces.empty()) return;
    if (wants_preview) {
      const auto bytes = media().encode_image("preview.jpg", shrunk(*whole, kPreviewPx));
      preview.assign(bytes.begin(), bytes.end());
    }
    auto charge = std::make_shared<const Charge>(app_, whole->rgb.size());
    photo = std::make_shared<const Photo>(engine, whole, std::move(faces), 0, std::move(charge));
  });
  ordered_json answer{{"type", "photo"}, {"id", message.id}, {"width", whole->width}, {"height", whole->height}};
  if (!photo) {
    answer["type"] = "error";
    answer["error"] = concat("No face was found in ", whole->width, "x", whole->height, " px, tried ", tried,
                             "; use a photo with an upright face seen from the front");
    send(answer);
    co_return;
  }
  answer["faces"] = ordered_json::array();
  for (const Box& face : photo->faces) {
    const Box crop = scaled(face, engine.generator_config().crop_scale);
    answer["faces"].push_back({{"box", box_json(face.x, face.y, face.side, face.side)},
                               {"crop", box_json(crop.x, crop.y, crop.side, crop.side)},
                               {"roll", std::round(face.roll * 1e4) / 1e4},
                               {"confidence", 1}});
  }
  answer["chosen"] = 0;
  photo_ = std::move(photo);
  if (wants_preview) {
    send(answer, preview);
  } else {
    send(answer);
  }
}

void Session::need_photo() const {
  if (!photo_) refuse("no photo was sent yet; send one first");
}

Session::Photo::Photo(const Engine& engine, std::shared_ptr<const Image> image, std::vector<Box> boxes, std::size_t index,
                      std::shared_ptr<const Charge> charged)
    : whole(std::move(image)), faces(std::move(boxes)), chosen(index), charge(std::move(charged)) {
  const Box face = faces[index], crop = scaled(face, engine.generator_config().crop_scale);
  // The upright square that holds the turned one.
  const float side = crop.side * (std::abs(std::cos(crop.roll)) + std::abs(std::sin(crop.roll)));
  // Moving the photo's own pixels reaches further than the crop.
  const Box round = scaled(crop, 1.6f * side / crop.side);
  const int left = std::clamp(int(std::floor(round.x)) - 1, 0, whole->width - 1);
  const int top = std::clamp(int(std::floor(round.y)) - 1, 0, whole->height - 1);
  const int right = std::clamp(int(std::ceil(round.x + round.side)) + 1, left + 1, whole->width);
  const int bottom = std::clamp(int(std::ceil(round.y + round.side)) + 1, top + 1, whole->height);
  x = left, y = top, width = right - left, height = bottom - top;
  part = shrunk(part_of(*whole, x, y, width, height), kPartPx);
  const float scale = float(width) / float(part.width);
  part_face = {(face.x - float(left)) / scale, (face.y - float(top)) / scale, face.side / scale, face.roll};
  part_cut = engine.cut(part, part_face);
}

Awaitable<> Session::face(const Message& message) {
  need_photo();
  const double last = double(photo_->faces.size() - 1), index = number(message.header, "index", 0, 0, last);
  const auto ticket = this->ticket();
  const auto before = photo_;
  std::shared_ptr<const Photo> photo;
  co_await ticket->run([&] {
    photo = std::make_shared<const Photo>(app_.needed_engine(), before->whole, before->faces, std::size_t(index),
                                          before->charge);
  });
  photo_ = std::move(photo);
  send({{"type", "face"}, {"id", message.id}, {"index", std::size_t(index)}});
}

Awaitable<> Session::voice(const Message& message) {
  if (message.payload.empty()) refuse("`audio`: came empty; a sound's file is needed behind the header");
  const auto ticket = this->ticket();
  const Engine& engine = app_.needed_engine();
  ordered_json answer{{"type", "voice"}, {"id", message.id}};
  co_await ticket->run([&] {
    const Clip clip = read_voice(message.payload, engine.speech_config().sample_rate_hz, app_.options.audio);
    const Voice voice = engine.hear(clip.pcm);
    answer["seconds"] = voice.seconds();
    add_emotion(answer, voice.whole());
    answer["holds_speech"] = voice.holds_speech();
    answer["aus"] = voice.whole().values();
    answer["fps"] = kFps;
    AuCurve curve = voice.per_frame(kFps);
    voice.add_lips(curve, 1);
    answer["rows"] = rows_of(curve);
    answer["waveform"] = waveform(clip.pcm);
  });
  send(answer);
}

/// A picture's file and the time that the engine took, ms.
Awaitable<std::pair<std::string, double>> Session::drawn(Ticket& ticket, const ActionUnits& au, Drawing drawing, bool png,
                                                         bool whole) {
  const auto photo = photo_;
  const auto start = Ticket::Clock::now();
  const Image& image = whole ? *photo->whole : photo->part;
  Image picture = image;
  std::vector<FaceJob> jobs{{.photo = image,
                             .face = whole ? photo->faces[photo->chosen] : photo->part_face,
                             .cut = whole ? nullptr : &photo->part_cut,
                             .au = au,
                             .drawing = drawing,
                             .out = picture}};
  co_await ticket.redraw(jobs);
  const double ms = ms_since(start);
  std::string file;
  co_await ticket.run([&] {
    const auto bytes = media().encode_image(png ? "picture.png" : "picture.jpg", picture);
    file = png ? disclosed_png(bytes) : std::string(bytes.begin(), bytes.end());
  });
  co_return std::pair(std::move(file), ms);
}

Drawing Session::drawing_of(const json& header) {
  return {flag(header, "relative"), int(number(header, "passes", 1, 1, limits::kMaxPasses)),
          read_detail(text(header, "detail", "auto"))};
}

void Session::draw(const Message& message) {
  need_photo();
  const json& header = message.header;
  const auto& names = app_.needed_engine().generator_config().au_names;
  const ActionUnits au = read_aus(header.value("aus", json()), names);
  const Drawing drawing = drawing_of(header);
  const std::string format = text(header, "format", "jpeg");
  if (format != "jpeg" && format != "png") refuse("`format`: '", printable(format), "' came; jpeg or png is needed");
  if (open_ >= limits::kMaxSessionRequests) refuse("more than ", limits::kMaxSessionRequests, " draws wait for an answer");
  if (drawing_) drawing_->withdraw();
  spawn(draw_now(message.id, au, drawing, format == "png", flag(header, "whole")));
}

Awaitable<> Session::draw_now(double id, ActionUnits au, Drawing drawing, bool png, bool whole) {
  const auto self = shared_from_this();
  ++open_;
  std::exception_ptr error;
  const auto ticket = this->ticket();
  const auto photo = photo_;
  const std::uint64_t turn = ++begun_;
  drawing_ = ticket;
  try {
    const auto [file, ms] = co_await drawn(*ticket, au, drawing, png, whole);
    if (turn < shown_) fail(ErrorKind::kCancelled, "a newer picture was shown already");
    shown_ = turn;
    ordered_json header{{"type", "picture"}, {"id", id}, {"ms", ms}, {"aus", au.values()}};
    if (!whole) header["crop"] = {photo->x, photo->y, photo->width, photo->height};
    send(header, file);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::kCancelled) {
      send({{"type", "cancelled"}, {"id", id}});
    } else {
      error = std::current_exception();
    }
  } catch (...) {
    error = std::current_exception();
  }
  if (error) send_error(id, error);
  if (drawing_ == ticket) drawing_.reset();
  --open_;
}

Expression Session::expression_of(const json& header) {
  return {.intensity = number(header, "intensity", 1, 0, 10),
          .emotion = text(header, "emotion", ""),
          .au = text(header, "au", "")};
}

void Session::live(const Message& message) {
  need_photo();
  const Engine& engine = app_.needed_engine();
  const auto rate = int(number(message.header, "rate", 48'000, limits::kMinSampleRateHz, limits::kMaxSampleRateHz));
  const Expression expression = expression_of(message.header);
  expression.over(ActionUnits(engine.speech_config().au_names));  // throws what it cannot read
  const Drawing drawing = drawing_of(message.header);
  // The same id again, while it runs: another expression over the voice that was heard so far.
  if (!live_ || live_->id != message.id || live_->rate != rate) {
    live_ = std::make_shared<Live>(Live{message.id, rate, Listener(engine, rate, kFps)});
  }
  live_->expression = expression;
  live_->drawing_as = drawing;
  send({{"type", "live"}, {"id", message.id}, {"fps", kFps}});
}

Awaitable<> Session::pcm(const Message& message) {
  const auto live = live_;
  if (!live) co_return;  // what was on its way when the page stopped
  const std::size_t samples = message.payload.size() / sizeof(float);
  if (message.payload.size() % sizeof(float) != 0)
    refuse("`pcm`: ", message.payload.size(), " bytes are no float32 samples");
  if (double(samples) > kMaxBlockSeconds * live->rate) {
    refuse("`pcm`: ", samples, " samples came at once; at most ", kMaxBlockSeconds, " s are taken");
  }
  AuCurve rows;
  const auto ticket = this->ticket();
  co_await ticket->run([&] {
    std::vector<float> block(samples);
    message.payload.copy(reinterpret_cast<char*>(block.data()), samples * sizeof(float));  // both little-endian
    rows = live->listener.push(block);
  });
  live->expression.apply(rows);
  if (live == live_) show_rows(rows);
}

/// The newest row gets a picture when the one before is drawn; those between are sent as numbers.
void Session::show_rows(const AuCurve& rows) {
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    if (live_->next) {
      send({{"type", "row"}, {"id", live_->id}, {"seconds", live_->next->first}, {"aus", live_->next->second.values()}});
    }
    live_->next = {rows.times_s[i], rows.row(i)};
  }
  if (live_->next && !live_->drawing) spawn(show_live(live_));
}

Awaitable<> Session::show_live(std::shared_ptr<Live> live) {
  const auto self = shared_from_this();
  std::exception_ptr error;
  live->drawing = true;
  try {
    while (live->next && live == live_) {
      const auto [seconds, au] = *std::exchange(live->next, std::nullopt);
      const auto photo = photo_;
      const auto ticket = this->ticket();
      const auto [file, ms] = co_await drawn(*ticket, au, live->drawing_as, false, false);
      if (live != live_) break;
      send({{"type", "frame"},
            {"id", live->id},
            {"seconds", seconds},
            {"aus", au.values()},
            {"emotion", read_emotion(au).name},
            {"ms", ms},
            {"crop", {photo->x, photo->y, photo->width, photo->height}}},
           file);
    }
  } catch (...) {
    error = std::current_exception();
  }
  live->drawing = false;
  if (error && live == live_) send_error(live->id, error);
}

/// One picture of a camera, one of the face that follows it: the page sends the next when it has this one.
Awaitable<> Session::drive(const Message& message) {
  need_photo();
  if (message.payload.empty()) refuse("`image`: came empty; a picture's file is needed behind the header");
  const Engine& engine = app_.needed_engine();
  const Expression expression = expression_of(message.header);
  const Drawing drawing = drawing_of(message.header);
  if (!driver_ || flag(message.header, "begin")) driver_ = std::make_shared<LiveDriver>(engine);
  std::optional<ActionUnits> au;
  const auto driver = driver_;  // a stop meanwhile lets it go
  const auto ticket = this->ticket();
  co_await ticket->run([&] {
    au = driver->next(shrunk(read_photo(message.payload, app_.options.image), kDriverPx));
    if (au) au = expression.over(*au);
  });
  if (!au) {
    send({{"type", "nobody"}, {"id", message.id}});
    co_return;
  }
  const auto photo = photo_;
  const auto [file, ms] = co_await drawn(*ticket, *au, drawing, false, false);
  send({{"type", "frame"},
        {"id", message.id},
        {"aus", au->values()},
        {"emotion", read_emotion(*au).name},
        {"ms", ms},
        {"crop", {photo->x, photo->y, photo->width, photo->height}}},
       file);
}

void Session::stop(const Message& message) {
  live_.reset();
  driver_.reset();
  send({{"type", "stopped"}, {"id", message.id}});
}

}  // namespace emo::serve
