#include "engine/pipeline/photos.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/in_parallel.h"

namespace emo {
namespace {

constexpr std::size_t kFaces = 8;  // faces a call: enough to fill a GPU, few enough to hold few copies of a photo

/// Passes on what happened to each task, in the order of the tasks: a task that ends before an earlier one waits for it.
class InOrder {
 public:
  using Event = std::function<void()>;
  explicit InOrder(std::size_t tasks) : events_(tasks), ended_(tasks) {}

  void ended(std::size_t task, std::vector<Event> events) {
    const std::lock_guard lock(mutex_);
    events_[task] = std::move(events);
    ended_[task] = true;
    for (; told_ < events_.size() && ended_[told_]; ++told_) {
      for (const Event& event : std::exchange(events_[told_], {})) event();
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::vector<Event>> events_;
  std::vector<bool> ended_;
  std::size_t told_ = 0;
};

/// Whether an error is of one input or output and not of all.
bool is_of_one(const Error& e) { return e.kind() == ErrorKind::kInput; }

/// One photo's task: what happened goes to `events`.
class Work {
 public:
  Work(const Engine& engine, const PhotoTask& task, const PhotoOptions& options, std::vector<InOrder::Event>& events)
      : engine_(engine), task_(task), options_(options), events_(events) {}

  void run() {
    if (!attempt([&] {
          photo_ = options_.load(task_.photo);
          faces_ = choose_faces(engine_, photo_, task_.photo, options_.face);
        })) {
      return;
    }
    if (options_.read || options_.drawing.passes == kAutoPasses) {
      for (const PhotoTask::Output& output : task_.outputs) draw_and_read(output);
      return;
    }
    if (task_.outputs.size() > 1) {
      for (const Box& face : faces_) cuts_.push_back(engine_.cut(photo_, face, options_.drawing));
    }
    const std::size_t at_once = std::max<std::size_t>(1, kFaces / faces_.size());
    for (std::size_t i = 0; i < task_.outputs.size(); i += at_once) {
      draw(std::span(task_.outputs).subspan(i, std::min(at_once, task_.outputs.size() - i)));
    }
  }

 private:
  template <typename Do>
  bool attempt(const Do& act) {
    try {
      act();
      return true;
    } catch (const Error& e) {
      if (!is_of_one(e)) throw;
      failed(e.what());
      return false;
    }
  }
  void failed(std::string what) {
    events_.push_back([this_options = &options_, what = std::move(what)] {
      if (this_options->failed) this_options->failed(what);
    });
  }

  void draw(std::span<const PhotoTask::Output> outputs) {
    const int side = engine_.generator_config().image_size;
    const bool crop = options_.crop_only;
    std::vector<Image> pictures(outputs.size(), crop ? Image() : photo_);
    std::vector<HostBuffer<float>> planes;
    std::vector<FaceJob> jobs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      planes.emplace_back(crop ? std::size_t(3) * side * side : 0);
      for (std::size_t f = 0; f < (crop ? 1 : faces_.size()); ++f) {
        jobs.push_back({.photo = photo_,
                        .face = faces_[f],
                        .cut = cuts_.empty() ? nullptr : &cuts_[f],
                        .au = outputs[i].au,
                        .drawing = options_.drawing,
                        .out = crop ? MutableImageView() : pictures[i],
                        .after = planes[i].data()});
      }
    }
    engine_.redraw(jobs);
    const std::size_t faces = jobs.size() / outputs.size();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto of_output = std::span(jobs).subspan(i * faces, faces);
      const auto bad = std::ranges::find_if(of_output, [](const FaceJob& job) { return bool(job.error); });
      if (bad != of_output.end()) {
        try {
          std::rethrow_exception(bad->error);
        } catch (const Error& e) {
          failed(task_.photo + ": " + e.what());
        }
        continue;
      }
      if (crop) pictures[i] = engine_.to_image({planes[i].data(), {1, 3, side, side}});
      if (!attempt([&] { media().save_image(outputs[i].out, pictures[i]); })) continue;
      written(outputs[i], {});
    }
  }

  void draw_and_read(const PhotoTask::Output& output) {
    std::vector<FaceJob> jobs;
    for (const Box& face : faces_) jobs.push_back({.face = face, .au = output.au, .drawing = options_.drawing});
    Image picture = photo_;
    std::vector<Reached> reached;
    const auto act = [&] {
      reached = redraw_and_read(engine_, picture, std::move(jobs));
      media().save_image(output.out, picture);
    };
    if (attempt(act)) written(output, std::move(reached));
  }

  void written(const PhotoTask::Output& output, std::vector<Reached> reached) {
    events_.push_back([this_options = &options_, task = &task_, &output, faces = faces_, reached = std::move(reached)] {
      if (this_options->written) this_options->written(*task, output, faces, reached);
    });
  }

  const Engine& engine_;
  const PhotoTask& task_;
  const PhotoOptions& options_;
  std::vector<InOrder::Event>& events_;
  Image photo_;
  std::vector<Box> faces_;
  std::vector<CutFace> cuts_;  ///< of them, where several expressions share them; else empty
};

}  // namespace

void redraw_photos(const Engine& engine, std::span<const PhotoTask> tasks, const PhotoOptions& options) {
  InOrder in_order(tasks.size());
  const auto work = [&](int i) {
    std::vector<InOrder::Event> events;
    Work(engine, tasks[std::size_t(i)], options, events).run();
    in_order.ended(std::size_t(i), std::move(events));
  };
  // One more than processors: on two of them, writing a picture to the disk takes 7 % of the time of making it.
  const int processors = std::max(1, int(std::thread::hardware_concurrency()));
  in_parallel(int(tasks.size()), 1 + (options.processors > 0 ? options.processors : processors), work, options.stop);
}

}  // namespace emo
