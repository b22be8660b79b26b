#include <cstdio>
#include <exception>
#include <new>

#include "base/error.h"
#include "tools/emoengine/commands.h"

namespace {

/// The documented exit codes; 0 is success.
int exit_code(emo::ErrorKind kind) {
  switch (kind) {
    case emo::ErrorKind::kInternal: return 1;
    case emo::ErrorKind::kUsage: return 2;
    case emo::ErrorKind::kInput: return 3;
    case emo::ErrorKind::kModel: return 4;
    case emo::ErrorKind::kDevice: return 5;
    case emo::ErrorKind::kSomeInputs: return 6;
  }
  return 1;
}

constexpr const char* kFooter = R"(
Exit codes: 0 done, 1 internal error, 2 wrong options, 3 a picture, sound or output that cannot be used,
            4 a weight file or checkpoint that cannot be used, 5 a backend or library that is not there,
            6 some of many inputs failed (the outputs of the others are written).
Example:    emoengine run --image face.jpg --audio voice.wav -o out.png)";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("emoengine: makes a photographed face wear the emotion of a voice", "emoengine");
  app.footer(kFooter);
  app.set_version_flag("--version", "emoengine " EMO_VERSION);
  app.require_subcommand(1);
  emo::cli::add_run(app);
  emo::cli::add_generate(app);
  emo::cli::add_animate(app);
  emo::cli::add_aus(app);
  emo::cli::add_sweep(app);
  emo::cli::add_strengths(app);
  emo::cli::add_mfcc(app);
  emo::cli::add_convert(app);
  emo::cli::add_inspect(app);
  emo::cli::add_doctor(app);

  try {
    app.parse(argc, argv);  // runs the chosen command
    return 0;
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::Error& e) {
    std::fprintf(stderr, "emoengine: %s; see emoengine --help\n", e.what());
    return exit_code(emo::ErrorKind::kUsage);
  } catch (const emo::Error& e) {
    std::fprintf(stderr, "emoengine: %s\n", e.what());
    return exit_code(e.kind());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "emoengine: out of memory; use a smaller picture or a shorter clip\n");
    return exit_code(emo::ErrorKind::kDevice);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "emoengine: internal error: %s\n", e.what());
    return exit_code(emo::ErrorKind::kInternal);
  }
}
