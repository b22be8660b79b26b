#include "weights/json.h"

#include "base/error.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/inputs.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {

nlohmann::json read_json(std::string_view text, const std::string& field) {
  if (text.size() > limits::kMaxJsonBytes) {
    throw HttpError(413, concat(field, ": JSON of ", text.size(), " bytes came; at most ", limits::kMaxJsonBytes,
                                " are taken. Send tensors in binary"));
  }
  try {
    return parse_json(text, field);
  } catch (const Error& e) {
    throw HttpError(400, e.what());
  }
}

}  // namespace emo::serve
