#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace emo {

/// Intensities of facial action units (FACS), each in [0,1], under the names and in the order of a model.
class ActionUnits {
 public:
  /// All zero: the neutral face.
  explicit ActionUnits(std::vector<std::string> names);
  /// Values are clamped to [0,1]. Throws Error(kInternal) when the counts differ or a value is NaN.
  ActionUnits(std::vector<std::string> names, std::span<const float> values);

  const std::vector<std::string>& names() const { return *names_; }
  const std::vector<float>& values() const { return values_; }
  /// The same names with other values, clamped and checked as above.
  ActionUnits with(std::span<const float> values) const;
  /// Accepts "12", "AU12", "au12". Throws Error(kUsage), listing the model's AUs, for one that it has not, and for a
  /// value outside [0,1].
  void set(std::string_view name, float value);
  /// Adds to a value, which ends in [0,1]. Throws Error(kUsage) for an AU that the model has not and a change outside
  /// [-1,1].
  void add(std::string_view name, float change);
  /// 0 for an AU that the model has not.
  float get(std::string_view name) const;
  /// The same AUs in the order of other names; those missing are 0.
  ActionUnits reordered(const std::vector<std::string>& names) const;
  double norm() const;

 private:
  std::size_t index_of(std::string_view name) const;

  std::shared_ptr<const std::vector<std::string>> names_;  ///< one for the rows of a curve: ten minutes have 15,000
  std::vector<float> values_;
};

/// "lip corner puller" for AU12: the name that the Facial Action Coding System gives it; empty for an AU that OpenFace does
/// not estimate.
std::string_view au_meaning(std::string_view name);

/// Edits in their order: "12=1" sets, a signed value is added, so "4=+0.3,12=-0.2" strengthens and weakens; each result is
/// clamped to [0,1].
class AuEdits {
 public:
  /// Throws Error(kUsage) quoting the part that cannot be read, and for a value outside its range.
  AuEdits(std::string_view text, std::vector<std::string> names);

  /// `au` has the same names.
  ActionUnits of(const ActionUnits& au) const;

 private:
  struct Edit {
    std::size_t index;
    float value;
    bool added;
  };
  std::vector<Edit> edits_;
};

/// They alone, of the neutral face: in "12=1,6=0.8" those not named are 0.
ActionUnits parse_action_units(std::string_view text, const std::vector<std::string>& names);

/// A basic emotion and the AUs that show it at intensity 1.
struct Emotion {
  std::string_view name;
  std::vector<int> aus;
  std::vector<std::string_view> aliases;  ///< other words for it: "happy", "joy"
};

/// Happiness, sadness, surprise, fear, anger, disgust: Table 1 of the published system. AU16 of disgust is not among the
/// 17 that OpenFace estimates, so it is left out.
const std::vector<Emotion>& emotions();

/// Reads "happiness=0.7,surprise=0.3" (a name alone means 1) and adds the prototypes, clamped to [0,1]. "neutral" is the
/// zero vector. Aliases count as names, letters may be of either case. Throws Error(kUsage) naming the emotion that is not
/// known.
ActionUnits parse_emotions(std::string_view text, const std::vector<std::string>& names);

struct EmotionReading {
  std::string_view name;  ///< "neutral" or one of emotions()
  double strength;        ///< length of the projection on the prototype at intensity 1, as a share of the prototype's
};

/// The emotion that a set of AUs shows: neutral if |au| < 0.5, else the prototype with the smallest residual after
/// projection onto it.
EmotionReading read_emotion(const ActionUnits& au);

/// AUs of the same length in the direction of the emotion that they show. A network that is not sure answers with a mixture
/// of faces, anger with half a smile, which is none that people make:
///
///   |au| sum_e w_e p_e,   w = softmax(sharpness * [0.5, au.p_1, ... au.p_6])
///
/// with p_e the prototypes of emotions() at length 1 and 0.5 for the neutral face, as read_emotion() has them, so that an
/// uncertain answer also comes nearer to neutral. Continuous in `au`. sharpness 0: as they are.
ActionUnits sharpened(const ActionUnits& au, double sharpness);

}  // namespace emo
