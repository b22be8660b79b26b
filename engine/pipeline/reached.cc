#include "engine/pipeline/reached.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace emo {
namespace {

constexpr int kMostPasses = 3;
constexpr float kHelps = 0.02f;  // less in the mean is the reader's noise
// The share of an asked change that the reader sees where the generator makes it in full: portraits of the training's kind.
constexpr float kSeen = 0.55f;
constexpr float kAsked = 0.1f;  // of an AU: a smaller change is not waited for

ActionUnits read_aus(const Engine& engine, const Image& photo, const Box& face) {
  return engine.read_closely(photo, face).au.reordered(engine.generator_config().au_names);
}

/// What the reader is to see of a face, and how far from that it is. Only AUs that were to change count.
class Wish {
 public:
  Wish(const FaceJob& job, const ActionUnits& shown, const std::vector<std::string>& names)
      : shown_(shown.values()), asked_(job.au.reordered(names).values()) {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (job.drawing.relative) asked_[i] = std::min(1.f, asked_[i] + shown_[i]);
    }
  }
  /// The mean difference of AUs, 0 to 1.
  float miss(const ActionUnits& reached) const {
    float sum = 0, count = 0;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (std::abs(asked_[i] - shown_[i]) < kAsked) continue;
      sum += std::abs(shown_[i] + kSeen * (asked_[i] - shown_[i]) - reached.values()[i]);
      ++count;
    }
    return count > 0 ? sum / count : 0;
  }

 private:
  std::vector<float> shown_, asked_;
};

/// The photo with the faces redrawn.
Image redrawn(const Engine& engine, const Image& photo, std::vector<FaceJob>& jobs) {
  Image out = photo;
  for (FaceJob& job : jobs) job.photo = photo, job.out = out;
  engine.redraw_all(jobs);
  return out;
}

}  // namespace

std::vector<Reached> redraw_and_read(const Engine& engine, Image& photo, std::vector<FaceJob> jobs) {
  if (!engine.has_reader()) {
    fail(ErrorKind::kUsage,
         "`passes`: the face reader looks at what was drawn, and none was opened; open one with `reader`");
  }
  struct Face {
    Wish wish;
    int wanted;  ///< passes
    Reached best;
    float miss = std::numeric_limits<float>::infinity();
    bool goes_on = true;
  };
  std::vector<Face> faces;
  std::vector<CutFace> cuts;  // the trials start from the same crop and reading
  cuts.reserve(jobs.size());
  const auto& names = engine.generator_config().au_names;
  for (FaceJob& job : jobs) {
    const int wanted = job.drawing.passes;
    Drawing drawing = job.drawing;
    drawing.relative |= wanted == kAutoPasses;  // what the photo shows has to be known
    job.cut = &cuts.emplace_back(engine.cut(photo, job.face, drawing));
    const ActionUnits shown = wanted == kAutoPasses ? job.cut->reading->au.reordered(names) : ActionUnits(names);
    faces.push_back({{job, shown, names}, wanted, {shown}});
  }
  Image out;
  for (int passes = 1; std::ranges::any_of(faces, &Face::goes_on); ++passes) {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const int now = faces[i].wanted == kAutoPasses ? passes : faces[i].wanted;
      jobs[i].drawing.passes = faces[i].goes_on ? now : faces[i].best.passes;
    }
    out = redrawn(engine, photo, jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      Face& face = faces[i];
      if (!face.goes_on) continue;
      const ActionUnits au = read_aus(engine, out, jobs[i].face);
      const float miss = face.wish.miss(au);
      const bool helped = miss < face.miss - kHelps;
      if (helped) face.best = {au, jobs[i].drawing.passes}, face.miss = miss;
      face.goes_on = helped && face.wanted == kAutoPasses && passes < kMostPasses;
    }
  }
  bool last_is_best = true;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    last_is_best &= jobs[i].drawing.passes == faces[i].best.passes;
    jobs[i].drawing.passes = faces[i].best.passes;
  }
  if (!last_is_best) out = redrawn(engine, photo, jobs);
  photo = std::move(out);
  std::vector<Reached> reached;
  for (Face& face : faces) reached.push_back(std::move(face.best));
  return reached;
}

}  // namespace emo
