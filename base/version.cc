#include "base/version.h"

namespace emo {

const char* version() { return EMO_VERSION; }

}  // namespace emo
