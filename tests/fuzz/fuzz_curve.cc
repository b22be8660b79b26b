// The curve of an animation: JSON, or a table of this or another program.
#include <algorithm>
#include <span>

#include "tests/fuzz/refusal.h"
#include "tools/emoengine/serve/inputs.h"
#include "weights/config.h"

using namespace emo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  serve::taken_or_refused([&] {
    const AuCurve curve = serve::read_curve({reinterpret_cast<const char*>(data), size}, default_au_names(), 25);
    if (curve.rows() == 0 || !std::ranges::is_sorted(curve.times_s)) std::abort();
    for (std::size_t i = 0; i < curve.rows(); ++i) {
      for (const float au : std::span(curve.values.row(int(i)), curve.names.size())) {
        if (!(au >= 0 && au <= 1)) std::abort();
      }
    }
  });
  return 0;
}
