#include "engine/backend/backend.h"

namespace emo {

void Backend::redraw(std::span<const RedrawJob> jobs, int side) const {
  if (jobs.empty()) return;
  const int N = int(jobs.size());
  const Shape one{1, 3, side, side}, one_mask{1, 1, side, side};
  const HostBuffer<float> before(N * one.count()), after(N * one.count()), mask(N * one_mask.count());
  std::vector<float> aus;
  for (int n = 0; n < N; ++n) {
    crop(*jobs[n].photo, jobs[n].box, {before.data() + n * one.count(), one});
    aus.insert(aus.end(), jobs[n].aus.begin(), jobs[n].aus.end());
  }
  generate({.faces = {before.data(), {N, 3, side, side}},
            .aus = {aus.data(), {N, int(jobs[0].aus.size()), 1, 1}},
            .out = {after.data(), {N, 3, side, side}},
            .mask = {mask.data(), {N, 1, side, side}}});
  for (int n = 0; n < N; ++n) {
    paste(*jobs[n].photo, jobs[n].box,
          {.before = {before.data() + n * one.count(), one},
           .after = {after.data() + n * one.count(), one},
           .mask = {mask.data() + n * one_mask.count(), one_mask}});
  }
}

}  // namespace emo
