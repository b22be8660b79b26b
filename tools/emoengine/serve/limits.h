#pragma once

#include <cstddef>

#include "base/limits.h"

/// The server's caps; those of pictures, sounds and models are base/limits.h's.
namespace emo::limits {

inline constexpr std::size_t kMaxBodyBytes = 64u << 20;     ///< of a request, also when decompressed
inline constexpr std::size_t kMaxBodiesBytes = 512u << 20;  ///< of all requests and photos that are held
inline constexpr std::size_t kMaxJsonBytes = 16u << 20;     ///< of a request; parsed numbers take eight times the room
inline constexpr std::size_t kMaxCurveRows = std::size_t(kMaxAudioSeconds * kMaxFps);
inline constexpr std::size_t kMaxTableLineBytes = 64u << 10;      ///< OpenFace's have 714 columns, 8 KiB
inline constexpr std::size_t kMaxMessageHeaderBytes = 64u << 10;  ///< of a WebSocket, without its payload
inline constexpr std::size_t kMaxHttpHeaderBytes = 16u << 10;
inline constexpr std::size_t kMaxParts = 32;              ///< of a form
inline constexpr std::size_t kMaxTensorsOfRequest = 16;   ///< inputs, and outputs asked for
inline constexpr std::size_t kMaxUnsentBytes = 8u << 20;  ///< of answers that a slow WebSocket has not taken yet
inline constexpr int kMaxSessionRequests = 32;            ///< of a WebSocket that are not answered yet
inline constexpr int kMinApiKeyChars = 16;

}  // namespace emo::limits
