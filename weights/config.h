#pragma once

#include <string>
#include <variant>
#include <vector>

namespace emo {

/// The 17 action units in OpenFace's order: AU01, AU02, AU04 ... AU26, AU45.
const std::vector<std::string>& default_au_names();

enum class ChannelOrder { kRgb, kBgr };
enum class ResizeFilter { kArea, kBilinear, kBicubic };  ///< antialiased when shrinking
enum class MelScale { kHtk, kSlaney };                   ///< triangles of height 1 in either
enum class LogMode { kDbPower, kLn };                    ///< 10 log10 max(1e-10, power); log(power + 1e-6)
enum class Readout { kLast, kMean };                     ///< which LSTM state the FC layer reads

/// "rgb" ...: the word for it in a weight file.
const char* name_of(ChannelOrder order);
const char* name_of(ResizeFilter filter);
const char* name_of(MelScale scale);
const char* name_of(LogMode mode);
const char* name_of(Readout readout);

inline constexpr int kFaceShadeRows = 68, kFaceShadeColumns = 30;  ///< texels of half a face's creases
inline constexpr int kFacePoints = 478;  ///< landmarks of a face, in FaceMesh's order; the last ten are the irises

/// Everything about a GANimation generator that its weight file says. Defaults are those of the published networks.
struct GeneratorConfig {
  int conv_dim = 64;  ///< filters of the first convolution
  int res_blocks = 6;
  int image_size = 128;  ///< side that it was trained at, px; a multiple of 4
  double norm_eps = 1e-5;
  bool norm_affine = true;
  std::vector<std::string> au_names = default_au_names();  ///< order of the AU planes
  double au_scale = 1.0;                                   ///< intensity 1.0 reaches the network as 1.0 * au_scale
  bool mask_keeps_image = true;                            ///< mask*image + (1-mask)*colour; false: the other way round
  double pixel_min = -1.0, pixel_max = 1.0;                ///< range that 0..255 is mapped to
  ChannelOrder channel_order = ChannelOrder::kRgb;
  double crop_scale = 1.0;  ///< side of the crop / side of the detector's box
  ResizeFilter resize_filter = ResizeFilter::kArea;

  bool operator==(const GeneratorConfig&) const = default;
};

/// Everything about a speech model (MFCC, LSTM, fully connected layer) that its weight file says.
struct SpeechConfig {
  int sample_rate_hz = 16'000;
  int n_fft = 512, win_length = 400, hop_length = 160;  ///< samples; periodic Hann window, centred, reflect padding
  int n_mels = 64;
  double f_min_hz = 0, f_max_hz = 8'000;
  MelScale mel_scale = MelScale::kHtk;
  LogMode log_mode = LogMode::kDbPower;
  double top_db = 80;  ///< db_power only: floor under the clip's maximum; < 0: none
  int n_mfcc = 39;
  bool deltas = false;             ///< append first and second differences: 3 * n_mfcc features
  double trim_db = 30;             ///< frames further than this under the loudest at both ends go; < 0: none
  int trim_pad_frames = 5;         ///< frames kept before the first and after the last loud one
  double voice_change_db = 0;      ///< steadier sounds are no voice, see engine/backend/shared/voice_activity.h; 0: all are
  double voice_over_noise_db = 6;  ///< how far a voice lies over the noise floor; this and the next two need voice_change_db
  int voice_hold_frames = 15;      ///< frames kept after each frame of voice
  int level_frames = 20;           ///< the reference of top_db and trim_db is the level that so many frames of voice reach
  bool utterance_mean_subtracted = true;
  int frame_stride = 2;                           ///< every n-th frame reaches the LSTM
  std::vector<double> feature_mean, feature_std;  ///< (features); x = (x - mean) / std after the above
  int lstm_hidden = 96, lstm_layers = 2;
  bool bidirectional = false;
  Readout readout = Readout::kMean;
  double readout_window_s = 1.0;  ///< window of a per-frame value, seconds
  double live_window_s = 2.0;     ///< the same of a live value, whose window ends at its time
  double emotion_sharpness = 0;   ///< how far answers are drawn to single emotions; 0: not (Engine::aus)
  std::vector<std::string> au_names = default_au_names();

  int features() const { return deltas ? 3 * n_mfcc : n_mfcc; }
  bool operator==(const SpeechConfig&) const = default;
};

/// Everything about a face reader (3x3 convolutions with bias and ReLU, then a linear layer of the whole last map) that its
/// weight file says. Crops are RGB in [-1,1].
struct ReaderConfig {
  int image_size = 128;  ///< side of the crop, px
  std::vector<int> channels = {24, 40, 48, 48, 80, 80, 112, 112, 96}, strides = {2, 2, 1, 1, 2, 1, 2, 1, 2};
  double crop_scale = 1.2;                                 ///< side of the crop / side of the detector's box
  double confidence_threshold = 0.9;                       ///< least confidence of a face
  double eye_distance = 0.575;                             ///< of the outer eye corners, in sides of the detector's box
  double eyes_x = 0.5, eyes_y = 0.275;                     ///< the point between them, in sides from the box's corner
  std::vector<std::string> au_names = default_au_names();  ///< order of the AUs that are read
  /// Triangles of the mesh by which a photo's own pixels are moved. 0: the file says nothing of how faces move.
  int triangles = 0;

  bool operator==(const ReaderConfig&) const = default;
};

using ModelConfig = std::variant<GeneratorConfig, SpeechConfig, ReaderConfig>;

/// "generator", "speech model", "face reader": for texts.
const char* noun_of(const ModelConfig& config);

/// The JSON object under the metadata key "emoengine", with `format` and `kind` first.
std::string to_json(const ModelConfig& config, int indent = -1);

/// Reads such an object. A weight file must name all keys but those that came later (kCameLater): without them it means what
/// it meant before. When `complete` is false (convert --config) those left out keep their defaults: feature_mean and
/// feature_std then are zeros and ones, and without `kind` it is a speech model or a reader if some key belongs to these
/// alone, else a generator. Throws Error(kModel) "WHERE: ..." for bad JSON, an unknown or missing key (named), a wrong type,
/// a value out of range, a format newer than this build.
ModelConfig config_from_json(const std::string& json, const std::string& where, bool complete);

/// Throws Error(kModel) when values are out of range or do not go together.
void check(const GeneratorConfig& config, const std::string& where);
void check(const SpeechConfig& config, const std::string& where);
void check(const ReaderConfig& config, const std::string& where);

}  // namespace emo
