#pragma once

#include "base/host_device.h"

/// Places in a picture.
namespace emo {

/// In pixels, y down: the middle of the first pixel is (0.5, 0.5).
struct Point {
  float x = 0, y = 0;
};
EMO_HOST_DEVICE inline Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
EMO_HOST_DEVICE inline Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
EMO_HOST_DEVICE inline Point operator*(float s, Point a) { return {s * a.x, s * a.y}; }

/// Pixels left <= x < right, top <= y < bottom.
struct PixelArea {
  int left = 0, top = 0, right = 0, bottom = 0;

  EMO_HOST_DEVICE bool holds(int x, int y) const { return x >= left && x < right && y >= top && y < bottom; }
  EMO_HOST_DEVICE int width() const { return right - left; }
  EMO_HOST_DEVICE int height() const { return bottom - top; }
};

}  // namespace emo
