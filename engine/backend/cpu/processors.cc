#include "engine/backend/cpu/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

namespace emo {
namespace {

namespace fs = std::filesystem;

/// Of one group: "max 100000" or "150000 100000" in version 2, two files in version 1, where -1 is no limit.
std::optional<double> quota_of(const fs::path& group) {
  double quota = 0, period = 0;
  if (std::ifstream file(group / "cpu.max"); file >> quota >> period && period > 0) return quota / period;
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

}  // namespace

std::optional<double> cgroup_processors(const fs::path& membership, const fs::path& root) {
  std::optional<double> least;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // "0::/a/b", or "4:cpu,cpuacct:/a/b" in version 1
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    // In a container the groups above its own are not mounted: a folder that is not there has no quota.
    const fs::path mount = root / controllers;
    for (fs::path group = line.substr(second + 1);; group = group.parent_path()) {
      const auto quota = quota_of(mount / group.relative_path());
      if (quota && (!least || *quota < *least)) least = quota;
      if (!group.has_relative_path()) break;
    }
  }
  return least;
}

int available_processors() {
  cpu_set_t set;
  int count = int(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (const auto quota = cgroup_processors()) count = std::min(count, int(std::ceil(*quota)));
  return std::max(1, count);
}

}  // namespace emo
