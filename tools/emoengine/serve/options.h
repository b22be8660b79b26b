#pragma once

#include <string>
#include <vector>

#include "engine/media/media.h"

namespace emo::serve {

/// What `emoengine serve` can be told, besides the models.
struct Options {
  std::string host = "127.0.0.1";
  int port = 8080;            ///< 0: any that is free
  int max_queue = 64;         ///< requests that are worked on or wait; more get 503
  int max_per_client = -1;    ///< the same of one client, who gets 429; 0: no limit; -1: 16, but none for this machine's own
  int max_connections = 512;  ///< more wait in the system's queue
  int timeout_ms = 60'000;    ///< for a request; for an animation, until its first bytes and between any two pieces
  int workers = 0;            ///< threads that decode, search and encode; 0: one a processor
  int clips = 2;              ///< animations that are drawn at the same time
  std::string api_key_file;   ///< a key a line; empty: no key is needed
  std::vector<std::string> allowed_hosts, allowed_origins;
  ImageLimits image;
  AudioLimits audio;
};

}  // namespace emo::serve
