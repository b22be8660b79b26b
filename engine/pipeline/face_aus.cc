#include "engine/pipeline/face_aus.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/error.h"
#include "engine/pipeline/face_choice.h"
#include "engine/pipeline/face_finder.h"
#include "engine/pipeline/face_tracker.h"

namespace emo {
namespace {

/// A row's values are the mean of its neighbours', so far as these have a face.
void smooth(AuCurve& curve) {
  constexpr float kWeights[] = {1, 4, 6, 4, 1};
  const Matrix raw = curve.values;
  const int rows = raw.rows, aus = raw.cols;
  for (int i = 0; i < rows; ++i) {
    if (curve.confidence[std::size_t(i)] == 0) continue;
    for (int j = 0; j < aus; ++j) {
      float sum = 0, weight = 0;
      for (int k = std::max(0, i - 2); k <= std::min(rows - 1, i + 2); ++k) {
        if (curve.confidence[std::size_t(k)] == 0) continue;
        sum += kWeights[k - i + 2] * raw.row(k)[j], weight += kWeights[k - i + 2];
      }
      curve.values.row(i)[j] = sum / weight;
    }
  }
}

}  // namespace

AuCurve read_face_aus(const Engine& engine, const Image& photo, const std::string& file) {
  const auto faces = engine.read(photo, choose_faces(engine, photo, file, {.all = true}));
  AuCurve curve(engine.reader_config().au_names, std::vector<double>(faces.size()));
  for (std::size_t i = 0; i < faces.size(); ++i) {
    curve.set_row(i, faces[i].au);
    curve.confidence.push_back(faces[i].confidence);
  }
  return curve;
}

AuCurve read_face_aus(const Engine& engine, VideoReader& video, const std::string& name) {
  FaceTracker tracker = tracker_for(engine);
  std::vector<double> times;
  std::vector<float> confidence, values;
  Image frame;
  for (double time_s = 0; video.read(frame, time_s);) {
    const auto face = tracker.next(frame);
    times.push_back(time_s);
    if (!face) {
      confidence.push_back(0);
      values.resize(values.size() + engine.reader_config().au_names.size());
      continue;
    }
    const FaceReading reading = engine.read(frame, *face);
    confidence.push_back(reading.confidence);
    values.insert(values.end(), reading.au.values().begin(), reading.au.values().end());
  }
  if (std::ranges::all_of(confidence, [](float c) { return c == 0; })) {
    fail(ErrorKind::kInput, name, ": no face was found in its ", times.size(),
         " frames; use a video that shows a face from the front");
  }
  AuCurve curve(engine.reader_config().au_names, std::move(times));
  curve.values.values = std::move(values);
  curve.confidence = std::move(confidence);
  smooth(curve);
  return curve;
}

AuCurve driving(const AuCurve& read, const std::vector<std::string>& names, std::optional<double> neutral_at_s) {
  std::vector<std::size_t> rows;
  std::vector<double> times;
  for (std::size_t i = 0; i < read.rows(); ++i) {
    if (read.confidence[i] > 0) rows.push_back(i), times.push_back(read.times_s[i]);
  }
  EMO_CHECK(!rows.empty(), "driving: no row has a face");
  AuCurve curve(names, times);
  for (std::size_t i = 0; i < rows.size(); ++i) curve.set_row(i, read.row(rows[i]).reordered(names));

  std::vector<float> neutral;
  if (neutral_at_s) {
    const auto off = [&](double t) { return std::abs(t - *neutral_at_s); };
    neutral = curve.row(std::size_t(std::ranges::min_element(times, {}, off) - times.begin())).values();
  } else {
    std::vector<std::vector<float>> shown;
    for (std::size_t i = 0; i < curve.rows(); ++i) shown.push_back(curve.row(i).values());
    neutral = resting_face(shown);
  }
  calibrate(curve, {names, neutral});
  return curve;
}

std::vector<float> resting_face(const std::vector<std::vector<float>>& rows) {
  std::vector<float> resting, values;
  for (std::size_t j = 0; !rows.empty() && j < rows[0].size(); ++j) {
    values.clear();
    for (const auto& row : rows) values.push_back(row[j]);
    const auto tenth = values.begin() + std::ptrdiff_t(values.size() / 10);
    std::ranges::nth_element(values, tenth);
    resting.push_back(*tenth);
  }
  return resting;
}

void calibrate(AuCurve& curve, const ActionUnits& neutral) {
  const auto own = neutral.reordered(curve.names).values();
  for (int i = 0; i < curve.values.rows; ++i) {
    for (std::size_t j = 0; j < own.size(); ++j) {
      float& v = curve.values.row(i)[j];
      v = own[j] < 1 ? std::max(0.f, (v - own[j]) / (1 - own[j])) : 0;
    }
  }
}

}  // namespace emo
