#include "engine/backend/shared/redraw.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "engine/backend/backend.h"
#include "engine/backend/shared/changed.h"
#include "engine/backend/shared/face_taps.h"
#include "engine/backend/shared/turned_face.h"
#include "engine/backend/shared/warp.h"

namespace emo {
namespace {

/// Whether a job needs the generator: one whose mesh alone draws it does not.
bool is_generated(const RedrawJob& job) { return !job.mesh || job.after || job.mask || job.colour || job.sink; }

/// The jobs of as many passes that the generator draws, with what it reads and writes for them: a face a job, then those
/// that are drawn as their photos show them, for comparison.
class Group {
 public:
  Group(std::span<RedrawJob> all, int passes, int side) : passes_(passes), side_(side) {
    for (RedrawJob& job : all) {
      if (job.passes == passes && is_generated(job)) jobs_.push_back(&job);
    }
    for (std::size_t n = 0; n < jobs_.size(); ++n) {
      if (!jobs_[n]->shown.empty()) compared_.push_back(n);
    }
    const Shape s = shape();
    before_ = HostBuffer<float>(s.count()), after_ = HostBuffer<float>(s.count());
    mask_ = HostBuffer<float>(s.count() / 3);
    const bool wanted = std::ranges::any_of(jobs_, [](const RedrawJob* job) { return job->colour || is_altered(*job); });
    if (passes > 1 || wanted) colour_ = HostBuffer<float>(s.count());
    errors_.resize(faces());
  }

  void cut(const Backend& backend) {
    const Shape one{1, 3, side_, side_};
    for (std::size_t n = 0; n < jobs_.size(); ++n) {
      const RedrawJob& job = *jobs_[n];
      float* face = before_.data() + n * one.count();
      if (job.cut.data) {
        EMO_CHECK(job.cut.shape == one, "redraw: the face has shape ", job.cut.shape, "; ", one, " is needed");
        std::ranges::copy(job.cut.span(), face);
      } else {
        backend.crop(job.photo, job.box, {face, one});
      }
      aus_.insert(aus_.end(), job.aus.begin(), job.aus.end());
    }
    for (std::size_t n = jobs_.size(); n < faces(); ++n) {
      const std::size_t of = compared_[n - jobs_.size()];
      std::ranges::copy(planes(before_, of).span(), planes(before_, n).data);
      aus_.insert(aus_.end(), jobs_[of]->shown.begin(), jobs_[of]->shown.end());
    }
  }

  void generate(const Backend& backend, const GeneratorConfig& config) {
    std::ranges::copy(before_.span(), after_.data());
    for (std::size_t n = 0; n < faces(); ++n) {
      const Tone& tone = job_of(n).tone;
      if (!tone.plain()) tone.to_network(config, planes(after_, n));
    }
    pass(backend, mask_, colour_, passes_ == 1);
    for (int i = 2; i <= passes_; ++i) {
      const HostBuffer<float> mask(mask_.size()), colour(colour_.size());
      pass(backend, mask, colour, i == passes_);
      blend_over(config.mask_keeps_image, shape(), mask_.data(), colour_.data(), mask.data(), colour.data());
    }
    for (std::size_t i = 0; i < compared_.size(); ++i) {
      const auto part = changed_part(config, planes(after_, compared_[i]), planes(after_, jobs_.size() + i));
      keep_the_rest(part, config.mask_keeps_image, compared_[i]);
    }
    for (std::size_t n = 0; n < jobs_.size(); ++n) {
      if (!is_altered(*jobs_[n])) continue;
      const Tone& tone = jobs_[n]->tone;
      if (!tone.plain()) tone.from_network(config, planes(before_, n), planes(colour_, n));
      blend(config.mask_keeps_image, n);
    }
  }

  /// Gives the job what it asked for.
  void deliver(const Backend& backend, const RedrawJob& job) const {
    const auto n = std::size_t(std::ranges::find(jobs_, &job) - jobs_.begin());
    if (job.error) return;
    const Shape one{1, 3, side_, side_}, one_mask{1, 1, side_, side_};
    const float *before = before_.data() + n * one.count(), *after = after_.data() + n * one.count(),
                *mask = mask_.data() + n * one_mask.count();
    if (job.after) std::copy_n(after, one.count(), job.after);
    if (job.mask) std::copy_n(mask, one_mask.count(), job.mask);
    if (job.colour) std::copy_n(colour_.data() + n * one.count(), one.count(), job.colour);
    if (job.out.data && !job.mesh) backend.paste(job.out, job.box, {{before, one}, {after, one}, {mask, one_mask}});
  }

  void take_errors() {
    for (std::size_t n = 0; n < jobs_.size(); ++n) jobs_[n]->error = errors_[n];
    for (std::size_t i = 0; i < compared_.size(); ++i) {
      std::exception_ptr& error = jobs_[compared_[i]]->error;
      if (!error) error = errors_[jobs_.size() + i];
    }
  }

 private:
  /// Whether more is done to what the network drew than to put it back.
  static bool is_altered(const RedrawJob& job) { return !job.tone.plain() || !job.shown.empty(); }
  std::size_t faces() const { return jobs_.size() + compared_.size(); }
  const RedrawJob& job_of(std::size_t n) const { return *jobs_[n < jobs_.size() ? n : compared_[n - jobs_.size()]]; }
  Shape shape() const { return {int(faces()), 3, side_, side_}; }
  TensorView<float> planes(const HostBuffer<float>& faces, std::size_t n) const {
    const Shape one{1, 3, side_, side_};
    return {faces.data() + n * one.count(), one};
  }

  /// Of face n only a part is replaced.
  void keep_the_rest(std::span<const float> part, bool mask_keeps_image, std::size_t n) const {
    float* mask = mask_.data() + n * part.size();
    for (std::size_t i = 0; i < part.size(); ++i)
      mask[i] = mask_keeps_image ? 1 - (1 - mask[i]) * part[i] : mask[i] * part[i];
  }

  /// From face, mask and colour what was drawn last.
  void blend(bool mask_keeps_image, std::size_t n) const {
    const auto before = planes(before_, n), after = planes(after_, n), colour = planes(colour_, n);
    const std::size_t plane = after.shape.plane();
    for (std::size_t i = 0; i < after.count(); ++i) {
      const float mask = mask_[n * plane + i % plane], kept = mask_keeps_image ? mask : 1 - mask;
      after.data[i] = kept * before.data[i] + (1 - kept) * colour.data[i];
    }
  }

  /// Draws the faces in after_ once more.
  void pass(const Backend& backend, const HostBuffer<float>& mask, const HostBuffer<float>& colour, bool last) {
    const int N = int(faces());
    backend.generate({.faces = {after_.data(), shape()},
                      .aus = {aus_.data(), {N, int(aus_.size()) / N, 1, 1}},
                      .out = {after_.data(), shape()},
                      .mask = {mask.data(), {N, 1, side_, side_}},
                      .colour = {colour.data(), shape()},
                      .sink = last ? jobs_[0]->sink : nullptr,
                      .errors = errors_});
  }

  const int passes_, side_;
  std::vector<RedrawJob*> jobs_;
  std::vector<std::size_t> compared_;  ///< the jobs whose faces are also drawn as their photos show them
  std::vector<float> aus_;
  HostBuffer<float> before_, after_, mask_, colour_;
  std::vector<std::exception_ptr> errors_;
};

}  // namespace

void blend_over(bool keeps, const Shape& shape, float* mask, float* colour, const float* next_mask,
                const float* next_colour) {
  const std::size_t plane = shape.plane();
  const auto kept = [keeps](float m) { return keeps ? m : 1 - m; };
  for (std::size_t n = 0; n < std::size_t(shape.N); ++n) {
    for (std::size_t i = 0; i < plane; ++i) {
      float& m = mask[n * plane + i];
      const float next = kept(next_mask[n * plane + i]), total = kept(m) * next;
      const float share = total < 1 ? (1 - next) / (1 - total) : 1;  // of the new colour in the colours together
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t at = (3 * n + c) * plane + i;
        colour[at] += share * (next_colour[at] - colour[at]);
      }
      m = kept(total);
    }
  }
}

namespace {

bool is_elsewhere(const RedrawJob& job) { return job.out.data && job.out.data != job.photo.data && !job.error; }

void restore(const RedrawJob& job, const PixelArea& area) {
  for (int y = area.top; y < area.bottom; ++y) {
    for (int x = area.left; x < area.right; ++x) {
      const std::uint8_t* from = job.photo.pixel(x, y);
      std::uint8_t* to = job.out.pixel(x, y);
      const int first = job.photo.bgr() == job.out.bgr() ? 0 : 2;
      to[first] = from[0], to[1] = from[1], to[2 - first] = from[2];
    }
  }
}

/// The same of what a mesh covers.
void restore_face(const RedrawJob& job) {
  if (is_elsewhere(job)) restore(job, area_under(job.photo, *job.mesh));
}

}  // namespace

void restore_box(const RedrawJob& job, int side) {
  if (!is_elsewhere(job)) return;
  check_box("redraw", job.photo, job.box, {1, 3, side, side});
  restore(job, pixels_under(job.photo, job.box));
}

void Backend::warp(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out) const {
  warp_face(photo, mesh, tone, out, row_by_row);
}

void Backend::redraw(std::span<RedrawJob> jobs) const {
  const GeneratorConfig& config = generator_config();
  std::map<int, Group> groups;
  for (const RedrawJob& job : jobs) {
    EMO_CHECK(job.passes >= 1, "redraw: ", job.passes, " passes; at least 1 is needed");
    if (is_generated(job)) groups.try_emplace(job.passes, jobs, job.passes, config.image_size);
  }
  for (auto& [_, group] : groups) group.cut(*this);
  for (auto& [_, group] : groups) {
    group.generate(*this, config);
    group.take_errors();
  }
  for (const RedrawJob& job : jobs) {
    if (!job.mesh) restore_box(job, config.image_size);
  }
  std::map<const void*, int> faces;  // of a picture
  for (const RedrawJob& job : jobs) ++faces[job.out.data];
  for (const RedrawJob& job : jobs) {
    if (job.mesh && faces[job.out.data] > 1) restore_face(job);
  }
  for (const RedrawJob& job : jobs) {
    if (is_generated(job)) groups.at(job.passes).deliver(*this, job);
    if (!job.mesh || !job.out.data || job.error) continue;
    // Where two meshes meet the second face is moved with what the first left.
    warp(faces[job.out.data] > 1 ? ImageView(job.out) : job.photo, *job.mesh, job.tone, job.out);
  }
}

}  // namespace emo
