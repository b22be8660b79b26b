#pragma once

/// Before a plug-in's factory, which open_plugin() looks up; all else in a plug-in is hidden. The number at the end of a
/// factory's name rises when its type changes.
#define EMO_PLUGIN extern "C" __attribute__((visibility("default")))
