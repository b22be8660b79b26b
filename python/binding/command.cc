// The module `command`: the command line, within Python so that Pillow can read its pictures.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "tools/emoengine/command_line.h"

namespace nb = nanobind;

NB_MODULE(command, m) {
  m.doc() = "The emoengine command line.";
  m.def(
      "main",
      [](std::vector<std::string> arguments) {
        std::vector<char*> argv;
        for (auto& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        return emo::cli::command_line(int(arguments.size()), argv.data());
      },
      nb::arg("arguments"), nb::call_guard<nb::gil_scoped_release>(),
      "Runs the command line on arguments, of which the first is the program's name. Gives the exit code.");
}
