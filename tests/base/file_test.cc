#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

#include "base/memory_file.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

namespace fs = std::filesystem;

std::string open_text(const fs::path& path) {
  return text_of(ErrorKind::kModel, [&] { MappedFile(path, ErrorKind::kModel); });
}

std::string output_text(const fs::path& path) {
  return text_of(ErrorKind::kInput, [&] { OutputFile{path}; });
}

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  TempDir dir;
  write_file(dir / "a", std::string("em\0tion", 7));
  const MappedFile file(dir / "a", ErrorKind::kInput);
  ASSERT_EQ(file.bytes().size(), 7u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes().data()), 7), std::string("em\0tion", 7));
}

TEST(MappedFile, MovesWithItsBytes) {
  TempDir dir;
  write_file(dir / "a", "first");
  write_file(dir / "b", "second");
  MappedFile a(dir / "a", ErrorKind::kInput), b(dir / "b", ErrorKind::kInput);
  const auto* bytes = b.bytes().data();
  a = std::move(b);
  EXPECT_EQ(a.bytes().data(), bytes);
  EXPECT_EQ(a.bytes().size(), 6u);
  const MappedFile c(std::move(a));
  EXPECT_EQ(c.bytes().data(), bytes);
  EXPECT_TRUE(a.bytes().empty());
  EXPECT_TRUE(MappedFile().bytes().empty());
}

TEST(MappedFile, SaysWhatIsWrongWithTheFile) {
  TempDir dir;
  EXPECT_EQ(open_text(dir / "absent"),
            (dir / "absent").string() + ": cannot be opened: No such file or directory. Check the path and its permissions");
  EXPECT_EQ(open_text(dir.path()), dir.path().string() + ": is a folder; name one file in it");
  write_file(dir / "empty", "");
  EXPECT_EQ(open_text(dir / "empty"), (dir / "empty").string() + ": is empty (0 bytes); copy or download it again");
}

TEST(MappedFile, APipeWithoutAWriterIsRefusedAndDoesNotHang) {
  TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(open_text(dir / "pipe"), (dir / "pipe").string() + ": is not a regular file; a file is needed");
}

TEST(KnownExtension, IsFoundWhateverItsCaseAndElseTheKnownAreNamed) {
  constexpr std::string_view kTwo[] = {".png", ".svg"}, kThree[] = {".csv", ".json", ".npy"};
  EXPECT_EQ(known_extension("output", "a.csv/b.PNG", kTwo), ".png");
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { known_extension("output", "a.pdf", kTwo); }),
            "output: a.pdf ends in '.pdf'; .png or .svg is needed");
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { known_extension("input", "a", kThree); }),
            "input: a ends in ''; .csv, .json or .npy is needed");
}

TEST(OutputFile, AppearsWholeOnCommit) {
  TempDir dir;
  {
    OutputFile out(dir / "x.csv");
    out.write("frame,");
    out.write("AU01_r\n");
    EXPECT_FALSE(fs::exists(dir / "x.csv"));
    out.commit();
    EXPECT_EQ(read_file(dir / "x.csv"), "frame,AU01_r\n");
  }
  EXPECT_EQ(dir.count(), 1u);
}

TEST(OutputFile, WithoutCommitTheOldFileStaysAndNothingElse) {
  TempDir dir;
  write_file(dir / "x", "old");
  {
    OutputFile out(dir / "x");
    out.write("half of the ne");
  }
  EXPECT_EQ(read_file(dir / "x"), "old");
  EXPECT_EQ(dir.count(), 1u);
}

TEST(OutputFile, AKilledProcessLeavesNothing) {
  // On a tmpfs: not every file system that /tmp may lie on has files without a name.
  std::string folder = "/dev/shm/emoengine_test_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  EXPECT_EXIT(
      {
        OutputFile out(folder + "/x");
        out.write("half of the ne");
        ::raise(SIGKILL);
      },
      testing::KilledBySignal(SIGKILL), "");
  EXPECT_TRUE(fs::is_empty(folder));
  fs::remove_all(folder);
}

TEST(OutputFile, TwoOfOneNameDoNotMeet) {
  TempDir dir;
  OutputFile a(dir / "x"), b(dir / "x");
  a.write("first");
  b.write("second");
  a.commit();
  EXPECT_EQ(read_file(dir / "x"), "first");
  b.commit();
  EXPECT_EQ(read_file(dir / "x"), "second");
  EXPECT_EQ(dir.count(), 1u);
}

TEST(OutputFile, TakesTheLongestName) {
  TempDir dir;
  const std::string name(255, 'x');
  OutputFile out(dir / name);
  out.write("new");
  out.commit();
  EXPECT_EQ(read_file(dir / name), "new");
}

TEST(OutputFile, ReplacesAnOlderFile) {
  TempDir dir;
  write_file(dir / "x", "a longer old text");
  OutputFile out(dir / "x");
  out.write("new");
  out.commit();
  EXPECT_EQ(read_file(dir / "x"), "new");
}

TEST(OutputFile, WritesThroughALinkToItsTarget) {
  TempDir dir;
  write_file(dir / "target", "old");
  fs::create_symlink(dir / "target", dir / "link");
  OutputFile out(dir / "link");
  out.write("new");
  out.commit();
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "target"), "new");
}

TEST(OutputFile, TakesALinkToAFileThatIsNotThereYet) {
  TempDir dir;
  fs::create_symlink("target", dir / "link");
  OutputFile out(dir / "link");
  out.write("new");
  out.commit();
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "target"), "new");
}

TEST(OutputFile, RefusesWhatIsNoPlaceForAFile) {
  TempDir dir;
  fs::create_directory(dir / "folder");
  EXPECT_EQ(output_text(dir / "folder"), "output: '" + (dir / "folder").string() + "' is a folder; name a file in it");
  EXPECT_EQ(output_text(dir / "folder/"), "output: '" + (dir / "folder/").string() + "' is a folder; name a file in it");
  EXPECT_EQ(output_text(""), "output: the path is empty; name a file");
  fs::create_symlink("loop", dir / "loop");
  EXPECT_EQ(output_text(dir / "loop"),
            "output: " + (dir / "loop").string() + " is a link that leads back to itself; name a file");
  EXPECT_EQ(output_text("/dev/null"), "output: /dev/null is a device or a pipe; a regular file is needed");
  EXPECT_EQ(output_text(dir / "no/x.png"),
            "output: " + (dir / "no/x.png").string() +
                " cannot be written: No such file or directory. Check that its folder exists and may be written to");
  EXPECT_EQ(dir.count(), 2u);
}

TEST(OutputFile, SaysThatTheFolderCannotBeWritten) {
  // /proc refuses new files to everyone; the permission bits of a folder would not stop root.
  EXPECT_EQ(output_text("/proc/emoengine.png"),
            "output: /proc/emoengine.png cannot be written: No such file or directory. Check that its folder exists and may "
            "be written to");
}

TEST(OutputFile, AFullDiskIsSaid) {
  TempDir dir;
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{16, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = text_of(ErrorKind::kInput, [&] {
    OutputFile out(dir / "x");
    out.write(std::string(100, 'x'));
  });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, ignored);
  EXPECT_EQ(text, "output: " + (dir / "x").string() + " cannot be written: File too large");
  EXPECT_EQ(dir.count(), 0u);
}

TEST(OutputFile, SaysThatTheNameWasTakenMeanwhile) {
  TempDir dir;
  EXPECT_EQ(text_of(ErrorKind::kInput,
                    [&] {
                      OutputFile out(dir / "x");
                      fs::create_directory(dir / "x");
                      out.commit();
                    }),
            "output: " + (dir / "x").string() + " cannot be renamed into place: Is a directory");
  EXPECT_EQ(dir.count(), 1u);
}

TEST(OutputFile, OfADescriptorIsCopiedThereWhenItIsWhole) {
  const TempDir dir;
  const int fd = ::open((dir / "there").c_str(), O_RDWR | O_CREAT, 0600);
  const std::string all(100'000, 'x');
  {
    OutputFile out("/dev/fd/" + std::to_string(fd) + ".png");
    out.write(all);
    EXPECT_EQ(read_file(dir / "there"), "");
    out.commit();
  }
  { OutputFile("/dev/fd/" + std::to_string(fd) + ".png").write("left"); }  // not whole
  ::close(fd);
  EXPECT_EQ(read_file(dir / "there"), all);
  EXPECT_EQ(dir.count(), 1u);
  const std::string name = "/dev/fd/" + std::to_string(fd) + ".png";
  EXPECT_EQ(text_of(ErrorKind::kInput,
                    [&] {
                      OutputFile closed(name);
                      ::close(fd);  // it may have become the file's own
                      closed.write("x");
                      closed.commit();
                    }),
            "output: " + name + " cannot be written: Bad file descriptor");
}

TEST(MemoryFile, HoldsWhatCameThroughAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::thread writer([&] {
    const std::string text(200'000, 'y');
    EXPECT_EQ(::write(ends[1], text.data(), text.size()), ssize_t(text.size()));
    ::close(ends[1]);
  });
  const MemoryFile file(ends[0], "standard input", 200'000);
  writer.join();
  ::close(ends[0]);
  EXPECT_EQ(read_file(file.path()), std::string(200'000, 'y'));
}

TEST(MemoryFile, SaysWhatIsWrongWithAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "12345", 5), 5);
  EXPECT_EQ(text_of(ErrorKind::kInput, [&] { MemoryFile(ends[0], "voice", 4); }),
            "voice: more than 4 bytes came, the most of a pipe; save them to a file and name it");
  EXPECT_EQ(text_of(ErrorKind::kInput, [&] { MemoryFile(ends[1], "voice", 4); }),
            "voice: cannot be read: Bad file descriptor");
  ::close(ends[0]), ::close(ends[1]);
}

TEST(MappedFile, ReleasedPagesComeBackWithTheirBytes) {
  const TempDir dir;
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += char(i * 31 >> 3);
  write_file(dir / "f", bytes);
  const MappedFile file(dir / "f", ErrorKind::kInput);
  const auto all = file.bytes();
  const auto same = [&] { return std::memcmp(all.data(), bytes.data(), bytes.size()) == 0; };
  EXPECT_TRUE(same());
  release_pages(all);
  release_pages(all.subspan(5000, 100));  // no whole page
  EXPECT_TRUE(same());
}

}  // namespace
}  // namespace emo
