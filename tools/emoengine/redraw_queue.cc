#include "tools/emoengine/redraw_queue.h"

#include "engine/media/media.h"

namespace emo::cli {

void RedrawQueue::add(Redraw job) {
  waiting_.push_back(std::move(job));
  std::size_t faces = 0;
  for (const auto& waiting : waiting_) faces += waiting.faces.size();
  if (faces >= 8) flush();
}

void RedrawQueue::flush() {
  const int side = engine_.generator_config().image_size;
  std::vector<Image> pictures;
  std::vector<HostBuffer<float>> crops;
  std::vector<FaceJob> jobs;
  pictures.reserve(waiting_.size()), crops.reserve(waiting_.size());
  for (const auto& job : waiting_) {
    Image& picture = pictures.emplace_back(job.crop_only ? Image() : *job.photo);
    const auto& crop = crops.emplace_back(job.crop_only ? std::size_t(3) * side * side : 0);
    for (const Box& face : job.faces) {
      jobs.push_back({.photo = *job.photo,
                      .face = face,
                      .au = job.au,
                      .passes = passes_,
                      .out = job.crop_only ? MutableImageView() : picture,
                      .after = crop.data()});
    }
  }
  engine_.redraw_all(jobs);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].crop_only) pictures[i] = engine_.to_image({crops[i].data(), {1, 3, side, side}});
    if (failures_.attempt([&] { media().save_image(waiting_[i].out, pictures[i]); })) written_(waiting_[i]);
  }
  waiting_.clear();
}

}  // namespace emo::cli
