#pragma once

#include <filesystem>
#include <optional>

namespace emo {

/// Processors that this process may keep busy: those of its affinity mask, or fewer where a cgroup's quota gives less time.
/// A part of a processor counts as one. At least 1.
int available_processors();

/// The processors' worth of time that the control groups of a process give it, the least of all their levels; none: as much
/// as it likes. `membership` is a /proc/PID/cgroup, `root` where the groups are mounted; both versions of cgroups are read.
std::optional<double> cgroup_processors(const std::filesystem::path& membership = "/proc/self/cgroup",
                                        const std::filesystem::path& root = "/sys/fs/cgroup");

}  // namespace emo
