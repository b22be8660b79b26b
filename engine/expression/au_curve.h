#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/matrix.h"
#include "engine/expression/action_units.h"

namespace emo {

/// AUs over time: row i of `values` belongs to times_s[i].
struct AuCurve {
  std::vector<std::string> names;
  std::vector<double> times_s;
  Matrix values;                  ///< (times, names) in [0,1]
  std::vector<float> confidence;  ///< (times) that a face was read, 0 for none; empty: not read from faces

  AuCurve() = default;
  /// All neutral.
  AuCurve(std::vector<std::string> au_names, std::vector<double> times)
      : names(std::move(au_names)), times_s(std::move(times)), values(int(times_s.size()), int(names.size())) {}

  std::size_t rows() const { return times_s.size(); }
  ActionUnits row(std::size_t i) const { return {names, {values.row(int(i)), names.size()}}; }
  /// Under the names of this curve, in their order.
  void set_row(std::size_t i, const ActionUnits& au) { std::ranges::copy(au.values(), values.row(int(i))); }
  /// Which column an AU has; -1: none.
  int column(std::string_view name) const {
    const auto found = std::ranges::find(names, name);
    return found == names.end() ? -1 : int(found - names.begin());
  }
};

}  // namespace emo
