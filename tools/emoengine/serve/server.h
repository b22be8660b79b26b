#pragma once

#include <functional>
#include <memory>

#include "engine/engine.h"
#include "tools/emoengine/serve/options.h"

namespace emo::serve {

/// Listens, opens the engine meanwhile, and serves until SIGTERM or SIGINT; a second signal ends the process. `told` is
/// called with the address when it listens. Log lines go to `log_fd`.
/// Throws Error(kInput) for an address that cannot be listened on, and what opening the engine throws.
void run(const Options& options, const std::function<std::unique_ptr<const Engine>()>& open_engine, int log_fd,
         const std::function<void(const std::string& url)>& told);

}  // namespace emo::serve
