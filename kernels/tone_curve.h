#pragma once

#include "base/host_device.h"

/// Colours, and the curve of those that a black-and-white or toned photo has, for host and device.
namespace emo {

/// Three values of a colour, 0 to 255: R, G, B where nothing else is said.
struct Rgb {
  float v[3];

  EMO_HOST_DEVICE float& operator[](int c) { return v[c]; }
  EMO_HOST_DEVICE float operator[](int c) const { return v[c]; }
  EMO_HOST_DEVICE float* begin() { return v; }
  EMO_HOST_DEVICE float* end() { return v + 3; }
};

/// Rec. 601.
EMO_HOST_DEVICE inline float luminance(const Rgb& v) { return 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2]; }

struct ToneColour {
  float luminance = 0;
  Rgb rgb = {};
};

/// A toned photo's colours by rising luminance. None: the photo has more than one colour for each.
struct ToneCurve {
  const ToneColour* colours = nullptr;
  int count = 0;

  /// The curve at a luminance: straight between its colours and on beyond them; from a single one, with the greys.
  EMO_HOST_DEVICE Rgb at(float luminance) const {
    int above = 0;  // the first colour that is brighter
    for (int size = count; size > 0;) {
      const int half = size / 2;
      if (colours[above + half].luminance > luminance) {
        size = half;
      } else {
        above += half + 1, size -= half + 1;
      }
    }
    const int last = count > 2 ? count - 1 : 1, i = above < 1 ? 1 : above < last ? above : last;
    const ToneColour& from = colours[i - 1];
    const float way = luminance - from.luminance;
    Rgb colour = from.rgb;
    for (int c = 0; c < 3; ++c) {
      colour[c] += i == count ? way : (colours[i].rgb[c] - from.rgb[c]) / (colours[i].luminance - from.luminance) * way;
    }
    return colour;
  }
  /// A colour in the photo's tone: of a toned photo the one that it has for the same luminance.
  EMO_HOST_DEVICE Rgb toned(const Rgb& colour) const { return count == 0 ? colour : at(luminance(colour)); }
};

}  // namespace emo
