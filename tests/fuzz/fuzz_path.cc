// The target of a request's first line: a path, and a query behind '?'.
#include "tests/fuzz/refusal.h"

using namespace emo::serve;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  const auto question = target.find('?');
  std::string path;
  if (percent_decode(target.substr(0, question), path) && path.size() > target.size()) std::abort();
  taken_or_refused([&] {
    if (question != target.npos) parse_query(target.substr(question + 1));
  });
  return 0;
}
