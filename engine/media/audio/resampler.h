#pragma once

#include <soxr.h>

#include <memory>
#include <span>
#include <vector>

#include "engine/media/media.h"

namespace emo {

/// soxr's HQ setting: linear phase, so nothing moves in time.
class SoxrResampler final : public Resampler {
 public:
  SoxrResampler(int from_hz, int to_hz);
  void push(std::span<const float> in, std::vector<float>& out) override;
  void finish(std::vector<float>& out) override;

 private:
  std::size_t process(const float* in, std::size_t count, std::size_t room, std::vector<float>& out);

  struct Delete {
    void operator()(soxr_t s) const { soxr_delete(s); }
  };
  std::unique_ptr<soxr, Delete> soxr_;  ///< null: the rates are equal
  const double step_;
};

}  // namespace emo
