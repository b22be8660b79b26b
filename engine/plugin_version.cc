// Part of every plug-in: see open_plugin() in engine/installation.h.
#include "base/version.h"
#include "engine/plugin.h"

EMO_PLUGIN const char* emo_plugin_version() { return emo::version(); }
