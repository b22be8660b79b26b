#include "engine/backend/backend.h"

namespace emo {
namespace {

/// Asks the backend anew for each reading.
class KeptClip final : public HeardClip {
 public:
  KeptClip(const Backend& backend, std::span<const float> pcm) : backend_(backend), pcm_(pcm.begin(), pcm.end()) {}
  Matrix read(std::span<const double> times_s) const override { return backend_.speech(pcm_, times_s); }

 private:
  const Backend& backend_;
  const std::vector<float> pcm_;
};

}  // namespace

std::unique_ptr<const HeardClip> Backend::hear(std::span<const float> pcm) const {
  return std::make_unique<KeptClip>(*this, pcm);
}

}  // namespace emo
