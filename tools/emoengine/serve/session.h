#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/expression/expression.h"
#include "engine/media/media.h"
#include "engine/pipeline/live_driver.h"
#include "tools/emoengine/serve/ticket.h"

namespace emo::serve {

/// What a page asks over its WebSocket (docs/serve.md): one photo and one voice, in memory, and faces drawn of them as fast
/// as it goes. Belongs to one strand, which every call is made on.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// Hands a message to the client; text or binary.
  using Send = std::function<void(bool text, std::string message)>;
  Session(App& app, Scheduler::Client client, Executor executor, Send send);
  ~Session();

  /// Answers a message; returns when the next may be given. False: the client may not go on, and was told why.
  Awaitable<bool> receive(bool text, std::string message);
  /// Cancels what is under way.
  void close();
  /// Requests that are not answered yet.
  int open() const { return open_; }

 private:
  struct Live;
  struct Message;

  /// How a message asks for faces to be drawn.
  static Drawing drawing_of(const nlohmann::json& header);

  Awaitable<> answer(const Message& message);
  bool hello(const nlohmann::json& header);
  Awaitable<> photo(const Message& message);
  Awaitable<> face(const Message& message);
  Awaitable<> voice(const Message& message);
  void draw(const Message& message);
  Awaitable<> draw_now(double id, ActionUnits au, Drawing drawing, bool png, bool whole);
  void live(const Message& message);
  Awaitable<> pcm(const Message& message);
  Awaitable<> drive(const Message& message);
  void stop(const Message& message);
  static Expression expression_of(const nlohmann::json& header);
  void show_rows(const AuCurve& rows);
  Awaitable<> show_live(std::shared_ptr<Live> live);
  Awaitable<std::pair<std::string, double>> drawn(Ticket& ticket, const ActionUnits& au, Drawing drawing, bool png,
                                                  bool whole);
  void need_photo() const;
  void send(const nlohmann::ordered_json& header);
  void send(const nlohmann::ordered_json& header, const std::string& payload);
  void send_error(double id, const std::exception_ptr& error);
  std::shared_ptr<Ticket> ticket();
  void spawn(Awaitable<> work);

  App& app_;
  const Executor executor_;
  Scheduler::Client client_;
  Send send_;
  bool greeted_ = false, closed_ = false;
  int open_ = 0;
  std::vector<std::weak_ptr<Ticket>> tickets_;  ///< of what is under way

  /// The photo and, for pictures of the face alone, the part of it that changes, in a size that a page shows.
  struct Photo {
    Photo(const Engine& engine, std::shared_ptr<const Image> whole, std::vector<Box> faces, std::size_t chosen,
          std::shared_ptr<const Charge> charge);

    const std::shared_ptr<const Image> whole;
    const std::vector<Box> faces;
    const std::size_t chosen;
    const std::shared_ptr<const Charge> charge;
    Image part;
    Box part_face;                            ///< the face within `part`
    CutFace part_cut;                         ///< it, cut out of `part`; who wants the whole photo is rare
    int x = 0, y = 0, width = 0, height = 0;  ///< where `part` lies in the photo
  };
  std::shared_ptr<const Photo> photo_;
  std::shared_ptr<Ticket> drawing_;      ///< of the newest draw
  std::uint64_t begun_ = 0, shown_ = 0;  ///< draws, counted
  std::shared_ptr<Live> live_;
  std::shared_ptr<LiveDriver> driver_;  ///< who sits before the camera
};

}  // namespace emo::serve
