#include "engine/backend/cpu/processors.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/temp_dir.h"

namespace emo {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(Processors, TheLeastQuotaOfACgroupsLevelsCounts) {
  const TempDir folder;
  const fs::path membership = folder / "cgroup", root = folder / "fs";
  write(membership, "0::/a/b\n");
  EXPECT_EQ(cgroup_processors(membership, root), std::nullopt);
  write(root / "a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_processors(membership, root), std::nullopt);
  write(root / "a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_processors(membership, root), 1.5);
  write(root / "a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroup_processors(membership, root), 1.5);
  write(root / "cpu.max", "50000 100000\n");  // in a container: its own, where the path is that of the host
  EXPECT_EQ(cgroup_processors(membership, root), 0.5);
}

TEST(Processors, VersionOneOfCgroupsIsRead) {
  const TempDir folder;
  const fs::path membership = folder / "cgroup", root = folder / "fs", group = root / "cpu,cpuacct/job";
  write(membership, "9:memory:/other\n4:cpu,cpuacct:/job\n3:cpuset:/job\n");
  write(root / "memory/other/cpu.max", "1000 100000\n");  // not of this controller
  write(group / "cpu.cfs_quota_us", "-1\n");
  write(group / "cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_processors(membership, root), std::nullopt);
  write(group / "cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(cgroup_processors(membership, root), 2.5);
}

TEST(Processors, NoCgroupsAreNoLimit) {
  const TempDir folder;
  EXPECT_EQ(cgroup_processors(folder / "none", folder / "none"), std::nullopt);
  std::ofstream(folder / "odd") << "nonsense\n\n0:\n::\n";
  EXPECT_EQ(cgroup_processors(folder / "odd", folder / "none"), std::nullopt);
  EXPECT_GE(available_processors(), 1);
}

}  // namespace
}  // namespace emo
