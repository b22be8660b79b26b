#pragma once

namespace emo {

/// The version that project() has in CMakeLists.txt, "0.1.0".
const char* version();

}  // namespace emo
