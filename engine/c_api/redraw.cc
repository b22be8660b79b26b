#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/limits.h"
#include "engine/c_api/engine.h"
#include "engine/c_api/guard.h"
#include "engine/c_api/images.h"

struct emo_face {
  const emo::CutFace cut;
};

namespace emo::c_api {
namespace {

Scheduler::Clock::time_point deadline_of(std::int64_t timeout_us) {
  constexpr std::int64_t kForEver = 1'000'000ll * 86'400 * 365;
  if (timeout_us == 0 || timeout_us > kForEver) return Scheduler::kNever;
  return Scheduler::Clock::now() + std::chrono::microseconds(timeout_us);
}

/// A face as the engine takes it. Throws for what cannot be drawn, naming the field.
FaceJob job_of(const emo_engine& engine, const emo_redraw& face) {
  if (face.timeout_us < 0) refuse("`timeout_us`: ", face.timeout_us, " came; at least 0 is needed");
  FaceJob job{.cut = face.face ? &face.face->cut : nullptr,
              .au = action_units(engine, face.aus, "aus"),
              .drawing = drawing_of(face.relative, face.passes, face.detail),
              .after = face.after,
              .mask = face.mask,
              .colour = face.colour,
              .deadline = deadline_of(face.timeout_us)};
  if (job.cut && !face.out) return job;
  job.photo = view_of(face.photo, "photo");
  if (face.is_crop) {
    const int side = engine.engine.generator_config().image_size;
    if (job.photo.width != side || job.photo.height != side) {
      refuse("`is_crop`: a photo of ", job.photo.width, "x", job.photo.height, " came; this model's crops are ", side, "x",
             side);
    }
    job.is_crop = true;
    job.face = {0, 0, float(side)};
  } else {
    job.face = box_of(face.box, "box");
  }
  if (!face.out) return job;
  job.out = view_of(face.out, "out");
  if (job.out.width != job.photo.width || job.out.height != job.photo.height) {
    refuse("`out`: a picture of ", job.out.width, "x", job.out.height, " came; one of the photo's ", job.photo.width, "x",
           job.photo.height, " is needed");
  }
  if (job.out.data != job.photo.data) {
    copy_pixels(job.photo, job.out);
  } else if (job.out.stride != job.photo.stride || job.out.order != job.photo.order) {
    refuse("`out`: has the photo's pixels with another stride or format; use the photo's");
  }
  return job;
}

/// The faces of a call. A face that is refused fails alone, as one that cannot be drawn does.
class Faces {
 public:
  Faces(const emo_engine& engine, emo_redraw* faces, std::int32_t count) {
    if (count < 0) refuse("`count`: ", count, " came; at least 0 is needed");
    if (count == 0) return;
    const std::uint32_t stride = needed(faces, "faces").size;
    std::vector<emo_redraw> copies;
    for (std::int32_t i = 0; i < count; ++i) {
      given_.push_back(reinterpret_cast<emo_redraw*>(reinterpret_cast<char*>(faces) + std::size_t(i) * stride));
      copies.push_back(known(given_.back(), "emo_redraw", sizeof(emo_redraw)));
      if (copies.back().size != stride) {
        refuse("`faces`[", i, "].size: ", copies.back().size, " came; all of an array have that of the first, ", stride);
      }
    }
    errors_.resize(given_.size());
    for (std::size_t i = 0; i < given_.size(); ++i) {
      try {
        jobs_.push_back(job_of(engine, copies[i]));
        numbers_.push_back(i);
      } catch (...) {
        errors_[i] = std::current_exception();
      }
    }
  }

  std::span<FaceJob> jobs() { return jobs_; }

  /// Tells each face how it went; the first failure.
  std::exception_ptr finish() noexcept {
    for (std::size_t i = 0; i < jobs_.size(); ++i) errors_[numbers_[i]] = jobs_[i].error;
    std::exception_ptr first;
    for (std::size_t i = 0; i < given_.size(); ++i) {
      given_[i]->error[0] = 0;
      given_[i]->status = errors_[i] ? describe(errors_[i], given_[i]->error, sizeof given_[i]->error) : emo_status(EMO_OK);
      if (!first) first = errors_[i];
    }
    return first;
  }

 private:
  std::vector<emo_redraw*> given_;
  std::vector<std::exception_ptr> errors_;
  std::vector<FaceJob> jobs_;         ///< of the faces that can be drawn
  std::vector<std::size_t> numbers_;  ///< each job's face
};

}  // namespace
}  // namespace emo::c_api

using namespace emo;
using namespace emo::c_api;

struct emo_job {
  emo_job(const emo_engine& engine, emo_redraw* given, std::int32_t count) : faces(engine, given, count) {}

  Faces faces;
  std::shared_ptr<Scheduler::Request> request;
};

emo_status emo_read_face(emo_engine* engine, const emo_image* photo, emo_box box, emo_reading* reading) {
  return guard([&] {
    const emo_engine& opened = c_api::reading(engine);
    const emo_reading wanted = known(reading, "emo_reading", sizeof(emo_reading));
    const FaceReading read = opened.engine.read(view_of(photo, "photo"), box_of(box, "box"));
    reading->confidence = read.confidence;
    reading->box = box_of(read.box);
    static_assert(kFacePoints == EMO_LANDMARKS);
    for (int i = 0; wanted.landmarks && i < kFacePoints; ++i) {
      wanted.landmarks[2 * i] = read.landmarks[i].x;
      wanted.landmarks[2 * i + 1] = read.landmarks[i].y;
    }
    if (wanted.aus) std::ranges::copy(read.au.reordered(opened.au_names).values(), wanted.aus);
  });
}

emo_status emo_cut(emo_engine* engine, const emo_image* photo, emo_box box, emo_face** face) {
  return guard([&] {
    auto& out = handle_out(face, "face");
    const Engine& opened = drawing(engine).engine;
    // It may be drawn in any way, and without its photo.
    out = new emo_face{opened.cut(view_of(photo, "photo"), box_of(box, "box"), {.relative = opened.has_reader()})};
  });
}

void emo_face_free(emo_face* face) { delete face; }

emo_status emo_run(emo_engine* engine, emo_redraw* faces, int32_t count) {
  return guard([&] {
    Faces call(drawing(engine), faces, count);
    engine->engine.redraw(call.jobs());
    if (const auto error = call.finish()) std::rethrow_exception(error);
  });
}

emo_status emo_submit(emo_engine* engine, emo_redraw* faces, int32_t count, void (*done)(void* user), void* user,
                      emo_job** job) {
  return guard([&] {
    auto& out = handle_out(job, "job");
    auto call = std::make_unique<emo_job>(drawing(engine), faces, count);
    call->request = engine->engine.submit(call->faces.jobs(), [&faces = call->faces, done, user] {
      faces.finish();
      if (done) done(user);
    });
    out = call.release();
  });
}

emo_status emo_wait(emo_job* job, int64_t timeout_us) {
  return guard([&] {
    const auto& request = needed(job, "job").request;
    const bool answered = timeout_us < 0 ? request->wait() : request->wait(std::chrono::microseconds(timeout_us));
    if (!answered) fail(ErrorKind::kTimeout, "job: not done after ", timeout_us, " us; wait again, or cancel it");
  });
}

void emo_cancel(emo_job* job) {
  guard([&] { needed(job, "job").request->cancel(); });
}

void emo_job_free(emo_job* job) {
  if (!job) return;
  guard([&] { job->request->wait(); });
  delete job;
}
