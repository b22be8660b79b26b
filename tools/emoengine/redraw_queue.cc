#include "tools/emoengine/redraw_queue.h"

#include "engine/media/media.h"
#include "tools/emoengine/portrait.h"

namespace emo::cli {

void RedrawQueue::add(Redraw job) {
  waiting_.push_back(std::move(job));
  std::size_t faces = 0;
  for (const auto& waiting : waiting_) faces += waiting.faces.size();
  if (faces >= kBatch) flush();
}

void RedrawQueue::flush() {
  std::vector<Face> cuts;
  std::vector<const ActionUnits*> wanted;
  for (const auto& job : waiting_) {
    for (const Box& box : job.faces) {
      cuts.push_back(engine_.cut(*job.photo, box));
      wanted.push_back(&job.au);
    }
  }
  std::vector<FaceRequest> requests;
  for (std::size_t i = 0; i < cuts.size(); ++i) requests.push_back({&cuts[i], *wanted[i]});
  const auto redrawn = redraw_batches(engine_, requests);
  auto face = redrawn.begin();
  for (const auto& job : waiting_) {
    Image picture;
    if (job.crop_only) {
      picture = engine_.to_image({face->after.data(), {1, 3, face->side, face->side}});
      face += std::ptrdiff_t(job.faces.size());
    } else {
      picture = *job.photo;
      for (const Box& box : job.faces) engine_.paste(picture, box, *face++);
    }
    if (failures_.attempt([&] { media().save_image(job.out, picture); })) written_(job);
  }
  waiting_.clear();
}

}  // namespace emo::cli
