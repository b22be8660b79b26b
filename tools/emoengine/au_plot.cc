#include "tools/emoengine/au_plot.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <sstream>

#include "base/error.h"
#include "tools/emoengine/gnuplot.h"

namespace emo::cli {
namespace {

constexpr float kActive = 0.1f;  // the least peak that is worth a colour
constexpr int kWidth = 1200, kHeight = 680;
constexpr double kLabelStep = 0.08;  // between labels of curves, as a share of their panel's height

/// Okabe and Ito's, without yellow, which is too faint for a line on white.
const std::vector<std::string> kLineColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
const std::map<std::string_view, std::string> kEmotionColours = {
    {"neutral", "#E8E8E8"}, {"happiness", "#F0E442"}, {"sadness", "#5FA8D8"}, {"surprise", "#A8DDF5"},
    {"fear", "#DDA3C4"},    {"anger", "#EE8F4F"},     {"disgust", "#5FC7A4"}};

/// The panels' lower and upper edges, as shares of the figure's height.
std::string panel(double bottom, double top) {
  std::ostringstream out;
  out << "set bmargin at screen " << bottom << "\nset tmargin at screen " << top << "\n";
  return out.str();
}

std::string rectangle(const std::string& from, const std::string& to, std::string_view emotion) {
  return "set object rectangle from " + from + " to " + to + " noclip fillcolor rgb '" + kEmotionColours.at(emotion) +
         "' fillstyle solid noborder\n";
}

/// A rectangle for each stretch of one emotion, with its name where there is room; a key for those named nowhere.
std::string emotion_band(const AuCurve& curve, double seconds) {
  std::ostringstream out;
  const auto time = [&](std::size_t i) { return i < curve.times_s.size() ? curve.times_s[i] : seconds; };
  std::vector<std::string_view> read;
  for (std::size_t i = 0; i < curve.rows(); ++i) read.push_back(read_emotion(curve.row(i)).name);
  std::map<std::string_view, bool> named;
  for (std::size_t from = 0, to = 0; from < read.size(); from = to) {
    while (to < read.size() && read[to] == read[from]) ++to;
    out << rectangle(concat(time(from), ",0"), concat(time(to), ",1"), read[from]);
    const double letters = (time(to) - time(from)) / seconds * 100;  // that fit
    const bool fits = letters > double(read[from].size()) + 1;
    named[read[from]] |= fits;
    if (fits) out << "set label '" << read[from] << "' at " << (time(from) + time(to)) / 2 << ",0.5 centre front\n";
  }
  double height = 0.45;
  for (const auto& [emotion, is_named] : named) {
    if (is_named) continue;
    out << rectangle(concat("screen 0.784,screen ", height - 0.015), concat("screen 0.805,screen ", height + 0.015), emotion)
        << "set label '" << emotion << "' at screen 0.812," << height << " left\n";
    height -= 0.043;
  }
  out << "set label 'emotion' at graph -0.012,0.5 right\nplot NaN notitle\nunset object\nunset label\n";
  return out.str();
}

/// Which AUs are drawn in colour: the highest peaks.
std::vector<std::size_t> active_aus(const AuCurve& curve) {
  const std::size_t n = curve.names.size();
  std::vector<float> peak(n, 0.f);
  for (int r = 0; r < curve.values.rows; ++r) {
    for (std::size_t i = 0; i < n; ++i) peak[i] = std::max(peak[i], curve.values.row(r)[i]);
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t i) { return peak[i]; });
  std::erase_if(order, [&](std::size_t i) { return peak[i] < kActive; });
  order.resize(std::min(order.size(), kLineColours.size()));
  return order;
}

std::string au_curves(const AuCurve& curve, double seconds) {
  std::ostringstream out, lines;
  const auto& names = curve.names;
  out << "$au << EOD\n";
  const auto point = [&](double time_s, int row) {
    out << time_s;
    for (const float v : std::span(curve.values.row(row), names.size())) out << ' ' << v;
    out << '\n';
  };
  for (std::size_t r = 0; r < curve.rows(); ++r) point(curve.times_s[r], int(r));
  point(seconds, curve.values.rows - 1);  // the last frame lasts until the clip's end; so one frame is a line, too
  out << "EOD\n";
  const auto active = active_aus(curve);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(active, i)) continue;
    lines << (lines.tellp() > 0 ? ", " : "plot ") << "$au using 1:" << i + 2
          << " with lines linewidth 1 linecolor rgb '#CCCCCC' notitle";
  }
  for (std::size_t k = 0; k < active.size(); ++k) {
    const std::size_t i = active[k];
    const double height = 0.96 - kLabelStep * double(k);
    lines << (lines.tellp() > 0 ? ", " : "plot ") << "$au using 1:" << i + 2 << " with lines linewidth 2.5 linecolor rgb '"
          << kLineColours[k] << "' notitle";
    // The stroke before a label has the colour; the letters stay black.
    out << "set arrow from graph 1.02," << height << " to graph 1.05," << height << " nohead linewidth 4 linecolor rgb '"
        << kLineColours[k] << "'\nset label '" << names[i] << ' ' << au_meaning(names[i]) << "' at graph 1.06," << height
        << " left\n";
  }
  out << "set yrange [0:1]\nset ytics 0.25 out nomirror\nset format x ''\nset xtics out nomirror\n"
      << "set grid ytics linecolor rgb '#E8E8E8'\nset label 'intensity' at graph -0.085,0.5 centre rotate\n"
      << lines.str() << "\nunset arrow\nunset label\nunset grid\n";
  return out.str();
}

/// The least and greatest sample of each stretch of sound: a thousand, or fewer that hold 16 samples.
std::string waveform(const Clip& clip) {
  std::ostringstream out;
  const std::size_t n = clip.pcm.size(), stretches = std::min<std::size_t>(1000, n / 16 + 1);
  float loudest = 1e-3f;
  out << "$wave << EOD\n";
  for (std::size_t k = 0; k < stretches; ++k) {
    const auto begin = clip.pcm.begin() + std::ptrdiff_t(n * k / stretches);
    const auto end = std::max(begin + 1, clip.pcm.begin() + std::ptrdiff_t(n * (k + 1) / stretches));
    const auto [least, greatest] = std::minmax_element(begin, end);
    loudest = std::max({loudest, -*least, *greatest});
    out << clip.seconds() * double(k) / double(stretches) << ' ' << *least << ' ' << *greatest << '\n';
  }
  out << "EOD\nset yrange [" << -loudest << ":" << loudest << "]\nunset ytics\nset format x '%g'\nset xlabel 'time, s'\n"
      << "set label 'sound' at graph -0.012,0.5 right\n"
      << "plot $wave using 1:2:3 with filledcurves fillcolor rgb '#999999' notitle\n";
  return out.str();
}

}  // namespace

void write_au_plot(const std::filesystem::path& path, const std::string& title, const Clip& clip, const AuCurve& curve) {
  std::ostringstream script;
  script << "set multiplot\nset lmargin at screen 0.075\nset rmargin at screen 0.77\nset border linecolor rgb '#888888'\n"
         << "set tics textcolor rgb '#222222'\nset xrange [0:" << clip.seconds() << "]\nset yrange [0:1]\n"
         << "set label " << gnuplot_quoted(title) << " at screen 0.075,0.965 left font ',14'\n"
         << panel(0.865, 0.925) << "unset xtics\nunset ytics\nset border 0\n"
         << emotion_band(curve, clip.seconds()) << "set border 3\n"
         << panel(0.30, 0.84) << au_curves(curve, clip.seconds()) << panel(0.10, 0.27) << "set border 1\n"
         << waveform(clip) << "unset multiplot\n";
  write_gnuplot(path, script.str(), kWidth, kHeight);
}

}  // namespace emo::cli
