#include "engine/pipeline/frames.h"

#include <algorithm>
#include <cstdio>
#include <future>
#include <optional>
#include <utility>

#include "base/bounded_queue.h"
#include "base/error.h"
#include "engine/media/media.h"
#include "engine/pipeline/face_finder.h"
#include "engine/pipeline/face_tracker.h"

namespace emo {
namespace {

std::vector<float> values_of(const AuCurve& curve, std::size_t row) {
  const float* const values = curve.values.row(int(row));
  return {values, values + curve.names.size()};
}

class PhotoSource final : public Source {
 public:
  PhotoSource(std::shared_ptr<const Still> photo, AuCurve curve) : photo_(std::move(photo)), curve_(std::move(curve)) {}
  const std::vector<std::string>& au_names() const override { return curve_.names; }
  bool next(Frame& frame) override {
    if (index_ == curve_.rows()) return false;
    if (frame.still != photo_) frame = {photo_->photo, photo_->faces, photo_, {}};
    frame.aus = values_of(curve_, index_++);
    return true;
  }

 private:
  const std::shared_ptr<const Still> photo_;
  const AuCurve curve_;
  std::size_t index_ = 0;
};

class VideoSource final : public Source {
 public:
  VideoSource(const Engine& engine, std::unique_ptr<VideoReader> reader, std::string name, double fps, NoFace no_face,
              AuCurve curve)
      : engine_(engine),
        reader_(std::move(reader)),
        name_(std::move(name)),
        fps_(fps),
        no_face_(no_face),
        curve_(std::move(curve)) {}

  const std::vector<std::string>& au_names() const override { return curve_.names; }
  bool next(Frame& frame) override {
    if (index_ == curve_.rows()) return false;
    current_.aus = values_of(curve_, index_);
    const double t = double(index_++) / fps_ + 0.25 / fps_;  // times in files are rounded
    bool changed = false;
    if (!started_ && !reader_->read(coming_, coming_s_)) fail(ErrorKind::kInput, name_, ": holds no frame");
    while (!ended_ && (!started_ || coming_s_ <= t)) {
      std::swap(current_.picture, coming_);
      current_s_ = coming_s_;
      started_ = changed = true;
      ended_ = !reader_->read(coming_, coming_s_);
    }
    if (ended_ && t > current_s_ + std::max(1.0, 1 / reader_->fps())) return false;
    if (changed) follow_face();
    frame = current_;
    return true;
  }

 private:
  void follow_face() {
    std::optional<Box> face = tracker_.next(current_.picture);
    if (!face && no_face_ == NoFace::kError) {
      char time[32];
      std::snprintf(time, sizeof time, "%.2f", double(index_ - 1) / fps_);
      fail(ErrorKind::kInput, name_, ": no face was found at ", time,
           " s; use `no_face` skip to leave such frames as they are, or `no_face` hold to go on where it was");
    }
    if (!face && no_face_ == NoFace::kHold) face = tracker_.last();
    current_.faces.clear();
    if (face) current_.faces.push_back(*face);
  }

  const Engine& engine_;
  const std::unique_ptr<VideoReader> reader_;
  const std::string name_;
  const double fps_;
  const NoFace no_face_;
  const AuCurve curve_;
  FaceTracker tracker_ = tracker_for(engine_);
  std::size_t index_ = 0;
  bool started_ = false, ended_ = false;
  Image coming_;  ///< the frame after the current one unless it has ended, beginning at coming_s_
  double current_s_ = 0, coming_s_ = 0;
  Frame current_;
};

void redraw(const Engine& engine, Frame& frame, const std::vector<std::string>& au_names, const DrawOptions& options) {
  const ActionUnits au(au_names, frame.aus);
  std::vector<FaceJob> jobs;
  for (std::size_t i = 0; i < frame.faces.size(); ++i) {
    jobs.push_back({.photo = frame.still ? ImageView(frame.still->photo) : frame.picture,
                    .face = frame.faces[i],
                    .cut = frame.still ? &frame.still->cuts[i] : nullptr,
                    .au = au,
                    .drawing = options.drawing,
                    .out = frame.picture});
  }
  engine.redraw_all(jobs);
}

}  // namespace

Still::Still(const Engine& engine, Image picture, std::vector<Box> boxes, const Drawing& drawing)
    : photo(std::move(picture)), faces(std::move(boxes)) {
  for (const Box& face : faces) cuts.push_back(engine.cut(photo, face, drawing));
}

std::unique_ptr<Source> photo_source(std::shared_ptr<const Still> photo, AuCurve curve) {
  return std::make_unique<PhotoSource>(std::move(photo), std::move(curve));
}

std::unique_ptr<Source> video_source(const Engine& engine, std::unique_ptr<VideoReader> reader, std::string name, double fps,
                                     NoFace no_face, AuCurve curve) {
  return std::make_unique<VideoSource>(engine, std::move(reader), std::move(name), fps, no_face, std::move(curve));
}

// The source decodes and finds the face, the generator runs in the caller, the file is encoded and written.
Drawn draw(const Engine& engine, Source& source, VideoWriter& writer, const DrawOptions& options) {
  constexpr std::size_t kFrames = 3;  // one in each hand; of 12 megapixels each has 36 MB
  BoundedQueue<Frame> free(kFrames), to_redraw(kFrames), to_write(kFrames);
  for (std::size_t i = 0; i < kFrames; ++i) free.push({});
  Drawn drawn;
  struct Close {  // whichever thread ends, by an error too, ends the others
    std::vector<BoundedQueue<Frame>*> queues;
    ~Close() {
      for (auto* queue : queues) queue->close();
    }
  };
  std::future<void> reading, writing;
  {
    const Close close_all{{&free, &to_redraw, &to_write}};  // before the futures wait, also where no thread can be started
    reading = std::async(std::launch::async, [&] {
      const Close close{{&to_redraw}};
      while (std::optional<Frame> frame = free.pop()) {
        if (!source.next(*frame) || !to_redraw.push(std::move(*frame))) return;
      }
    });
    writing = std::async(std::launch::async, [&] {
      const Close close{{&to_write, &free}};
      while (std::optional<Frame> frame = to_write.pop()) {
        writer.add(frame->picture);
        if (options.drawn) options.drawn();
        ++drawn.frames;
        drawn.without_face += frame->faces.empty();
        free.push(std::move(*frame));
      }
    });
    while (!options.stop || !options.stop()) {
      std::optional<Frame> frame = to_redraw.pop();
      if (!frame) break;
      redraw(engine, *frame, source.au_names(), options);
      if (!to_write.push(std::move(*frame))) break;
    }
  }
  writing.get();
  reading.get();
  return drawn;
}

}  // namespace emo
