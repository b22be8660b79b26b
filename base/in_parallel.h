#pragma once

#include <functional>

namespace emo {

/// Calls task(i) for every i in [0, count) on `workers` threads (0: one a processor), each taking the next that is left, so
/// that reading, detection, drawing and writing of different inputs overlap. Once a task throws or stop() says true, none is
/// begun; rethrows the first exception when all have ended. With one worker, or one task, on the caller's thread.
void in_parallel(int count, int workers, const std::function<void(int)>& task, const std::function<bool()>& stop = {});

}  // namespace emo
