#pragma once

#include "engine/expression/landmarks.h"

/// Arithmetic of points in a picture.
namespace emo {

inline Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
inline Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
inline Point operator*(float s, Point a) { return {s * a.x, s * a.y}; }

}  // namespace emo
