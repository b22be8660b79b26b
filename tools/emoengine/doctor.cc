#include <nettle/sha2.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "engine/installation.h"
#include "engine/media/photo_decoder.h"
#include "engine/media/video.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/report.h"
#include "weights/model_file.h"

namespace emo::cli {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

std::string instruction_sets() {
  std::string text = "baseline x86-64";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) text = "AVX2";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) text += ", AVX-512";
  if (__builtin_cpu_supports("avx512bf16")) text += " with bf16";
  std::ifstream info("/proc/cpuinfo");  // GCC 12 cannot be asked for AMX
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("flags")) return line.find(" amx_bf16") == std::string::npos ? text : text + ", AMX";
  }
  return text;
}

std::string sha256(const std::filesystem::path& path) {
  const MappedFile file(path, ErrorKind::kModel);
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, file.bytes().size(), reinterpret_cast<const std::uint8_t*>(file.bytes().data()));
  std::uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(&context, sizeof digest, digest);
  std::string text;
  char hex[3];
  for (const auto byte : digest) text += (std::snprintf(hex, sizeof hex, "%02x", byte), hex);
  return text;
}

/// Prints "name  value", or the advice of the Error that getting the value threw; false then.
bool line(const char* name, const std::function<std::string()>& value) {
  try {
    std::printf("%-10s %s\n", name, value().c_str());
    return true;
  } catch (const Error& e) {
    std::printf("%-10s PROBLEM: %s\n", name, e.what());
    return false;
  }
}

bool weights_line(const char* name, const char* use = "not for commercial use") {
  return line("weights", [=] {
    const auto path = default_weights(name);
    const ModelFile model(path);
    const auto* generator = std::get_if<GeneratorConfig>(&model.config());
    return concat(
        path.string(), ": ",
        generator ? concat("generator of ", generator->conv_dim, " filters") : std::string(noun_of(model.config())), ", ",
        use, ", SHA-256 ", sha256(path));
  });
}

void doctor() {
  std::printf("%-10s %s\n", "emoengine", version());
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  const double gib = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGE_SIZE)) / double(1 << 30);
  std::printf("%-10s %s; %s; %d cores; %.1f GiB\n", "machine", cpu_model().c_str(), instruction_sets().c_str(),
              CPU_COUNT(&set), gib);
  bool well = line("backend", [] {
    std::string note;
    BackendOptions options;
    options.note = [&](const std::string& line) { note = "; " + line; };
    return open_backend({}, options)->describe() + note;
  });
  well &= line("media", [] { return media().describe(); });
  line("photos", [] { return photo_decoder().describe(); });  // only HEIC, AVIF and JPEG XL need it
  line("video", [] { return video().describe(); });           // only animate needs it
  well &= weights_line("generator.safetensors");
  well &= weights_line("speech.safetensors", "free for commercial use");
  weights_line("reader.safetensors");           // without it faces are found less surely
  weights_line("generator-lite.safetensors");   // only --lite needs it
  weights_line("speech-research.safetensors");  // only --research needs it
  if (!well) fail(ErrorKind::kDevice, "doctor: something that `emoengine run` needs is missing; see PROBLEM above");
  std::printf("all well: emoengine run can work here\n");
}

}  // namespace

void add_doctor(CLI::App& app) {
  app.add_subcommand("doctor", "check this machine: processor, backends, libraries, weights; advise on each problem")
      ->callback(doctor);
}

}  // namespace emo::cli
