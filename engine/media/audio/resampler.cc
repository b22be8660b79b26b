#include "engine/media/audio/resampler.h"

#include "base/error.h"

namespace emo {

SoxrResampler::SoxrResampler(int from_hz, int to_hz) : step_(double(to_hz) / from_hz) {
  if (from_hz == to_hz) return;
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  soxr_error_t error = nullptr;
  soxr_.reset(soxr_create(from_hz, to_hz, 1, &error, nullptr, &quality, nullptr));
  EMO_CHECK(soxr_, "soxr: from ", from_hz, " to ", to_hz, " Hz: ", error);
}

void SoxrResampler::push(std::span<const float> in, std::vector<float>& out) {
  if (!soxr_)
    out.insert(out.end(), in.begin(), in.end());
  else
    process(in.data(), in.size(), std::size_t(double(in.size()) * step_) + 1, out);
}

void SoxrResampler::finish(std::vector<float>& out) {
  constexpr std::size_t kRoom = 4096;
  while (soxr_ && process(nullptr, 0, kRoom, out) > 0) {
  }
}

std::size_t SoxrResampler::process(const float* in, std::size_t count, std::size_t room, std::vector<float>& out) {
  const std::size_t before = out.size();
  std::size_t used = 0, made = 0;
  do {
    const std::size_t size = out.size();
    out.resize(size + room);
    std::size_t now_used = 0, now_made = 0;
    const soxr_error_t error =
        soxr_process(soxr_.get(), in ? in + used : nullptr, count - used, &now_used, out.data() + size, room, &now_made);
    EMO_CHECK(!error, "soxr: ", error);
    out.resize(size + now_made);
    used += now_used;
    made = now_made;
  } while (used < count || made == room);
  return out.size() - before;
}

}  // namespace emo
