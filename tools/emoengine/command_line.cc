#include "tools/emoengine/command_line.h"

#include <fcntl.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "base/error.h"
#include "base/version.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/report.h"

namespace {

/// The documented exit codes; 0 is success.
int exit_code(emo::ErrorKind kind) {
  switch (kind) {
    case emo::ErrorKind::kInternal:
    case emo::ErrorKind::kBusy:  // the command line gives no engine more than it takes, nor deadlines
    case emo::ErrorKind::kCancelled:
    case emo::ErrorKind::kTimeout: return 1;
    case emo::ErrorKind::kUsage: return 2;
    case emo::ErrorKind::kInput: return 3;
    case emo::ErrorKind::kModel: return 4;
    case emo::ErrorKind::kDevice:
    case emo::ErrorKind::kMemory: return 5;
    case emo::ErrorKind::kSomeInputs: return 6;
  }
  return 1;
}

int refuse(emo::ErrorKind kind, const std::string& text) {
  std::fprintf(emo::cli::messages(), "emoengine: %s\n", text.c_str());
  return exit_code(kind);
}

/// Makes the process fit for a library that opens files and starts threads.
void prepare_process() {
  // With a standard stream closed, the next file opened would take its number and get what is printed.
  for (const int fd : {0, 1, 2}) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDWR);
  }
  emo::cli::messages();
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is then an error of write()
  // OpenCV brings OpenBLAS, which starts a thread a processor when it is loaded and hangs on exit where it cannot.
  ::setenv("OPENBLAS_NUM_THREADS", "1", 0);
}

constexpr const char* kExitCodes = R"(
Exit codes: 0 done, 1 internal error, 2 wrong options, 3 a picture, sound or output that cannot be used,
            4 a weight file or checkpoint that cannot be used, 5 a backend or library that is missing,
            6 some of many inputs failed (the outputs of the others are written).)";

}  // namespace

int emo::cli::command_line(int argc, char** argv) {
  prepare_process();
  CLI::App app("emoengine: makes a photographed face wear the emotion of a voice", "emoengine");
  app.footer(kExitCodes);
  app.set_version_flag("--version", std::string("emoengine ") + emo::version());
  app.require_subcommand(0, 1);  // none is told below: CLI11 would not name a command that it does not know
  emo::cli::add_run(app);
  emo::cli::add_generate(app);
  emo::cli::add_animate(app);
  emo::cli::add_aus(app);
  emo::cli::add_sweep(app);
  emo::cli::add_strengths(app);
  emo::cli::add_mfcc(app);
  emo::cli::add_convert(app);
  emo::cli::add_inspect(app);
#ifdef EMO_SERVE
  emo::cli::add_serve(app);
#endif
  emo::cli::add_doctor(app);

  const auto finished = [](int code) {
    const bool printed = std::fflush(stdout) == 0 && !std::ferror(stdout);
    return printed ? code : refuse(emo::ErrorKind::kInput, "stdout: cannot be written; check where it is redirected to");
  };
  try {
    app.parse(argc, argv);  // runs the chosen command
    if (app.get_subcommands().empty()) emo::fail(emo::ErrorKind::kUsage, "no command was given; see emoengine --help");
    emo::cli::tell_notes();
    return finished(0);
  } catch (const CLI::Success& e) {  // --help, --version
    return finished(app.exit(e));
  } catch (const CLI::Error& e) {
    const auto commands = app.get_subcommands();
    if (commands.empty()) {
      return refuse(emo::ErrorKind::kUsage, "'" + emo::cli::one_line(argv[1]) + "' is no command; see emoengine --help");
    }
    const std::string command = commands[0]->get_name() + " ";
    return refuse(emo::ErrorKind::kUsage, std::string(e.what()) + "; see emoengine " + command + "--help");
  } catch (const emo::Error& e) {
    if (e.kind() != emo::ErrorKind::kSomeInputs)
      return refuse(e.kind(), emo::cli::with_options(emo::cli::one_line(e.what())));
    emo::cli::tell_notes();                                     // of the inputs that did not fail
    return refuse(e.kind(), emo::cli::with_options(e.what()));  // a line for each, made single by Failures
  } catch (const std::bad_alloc&) {
    return refuse(emo::ErrorKind::kDevice, "out of memory; use a smaller picture or a shorter clip");
  } catch (const std::system_error& e) {  // a thread that cannot be started
    return refuse(emo::ErrorKind::kDevice, "the system refuses: " + e.code().message() + "; end other programs");
  } catch (const std::exception& e) {
    return refuse(emo::ErrorKind::kInternal, std::string("internal error: ") + e.what());
  }
}
