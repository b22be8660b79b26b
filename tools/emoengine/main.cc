#include "tools/emoengine/command_line.h"

int main(int argc, char** argv) { return emo::cli::command_line(argc, argv); }
