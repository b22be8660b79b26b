"""Features of speech as the engine computes them (weights/config.h, SpeechConfig), in plain torch. Which frames hold a voice,
and from which level they count, is defined in engine/backend/shared/voice_activity.h.

pcm is float32 (samples,) at 16 kHz with full scale at 1. A log-mel spectrogram is (frames, n_mels) in dB; it is the stage
that training caches and augments, because MFCC are a fixed matrix times it.
"""
import dataclasses
import functools
import math

import torch

from common import AU_NAMES

SAMPLE_RATE_HZ = 16_000
SILENCE = 1e-9  # mean square of the loudest frame, -90 dBFS: below it the engine answers with zeros and asks no network
# The voice-activity measure, as in engine/backend/shared/voice_activity.h:
QUIET_DB = -60  # strongest band of a frame of silence, some -90 dBFS
CHANGE_FRAMES, CHANGE_RANGE_DB = 3, 30
REACH, LEAST = 5, 7  # frames to either side; candidates among these 11
NOISE_SHARE = 0.02
# What live statistics remember:
NOISE_FRAMES, NOISE_START, LEVEL_FRAMES, MEAN_FRAMES = 600, 50, 500, 300


@dataclasses.dataclass
class SpeechConfig:
    """The keys of a speech model's metadata, with the engine's meaning. The scales and rates are fixed in this recipe."""
    kind: str = "speech"
    sample_rate_hz: int = SAMPLE_RATE_HZ
    n_fft: int = 512
    win_length: int = 400
    hop_length: int = 160
    n_mels: int = 64
    f_min_hz: float = 0
    f_max_hz: float = 8000
    mel_scale: str = "htk"
    log_mode: str = "db_power"
    top_db: float = 80
    n_mfcc: int = 39
    deltas: bool = False
    trim_db: float = 30
    trim_pad_frames: int = 5
    voice_change_db: float = 2.5  # 0: no voice activity, levels from the loudest frame, as the engine's older models
    voice_over_noise_db: float = 6.0
    voice_hold_frames: int = 15
    level_frames: int = 20
    utterance_mean_subtracted: bool = True
    frame_stride: int = 2
    feature_mean: list = dataclasses.field(default_factory=list)
    feature_std: list = dataclasses.field(default_factory=list)
    lstm_hidden: int = 96
    lstm_layers: int = 2
    bidirectional: bool = False
    readout: str = "mean"
    readout_window_s: float = 2.0  # of 1 s, a fearful sample clip turned to disgust and back within a second
    live_window_s: float = 2.0
    emotion_sharpness: float = 0.0
    au_names: list = dataclasses.field(default_factory=lambda: list(AU_NAMES))

    def features(self):
        return 3 * self.n_mfcc if self.deltas else self.n_mfcc


OLDER = {"voice_change_db": 0.0, "emotion_sharpness": 0.0}  # what a .json means that was written before there were these keys


@functools.lru_cache
def mel_matrix(n_fft, n_mels, f_min_hz, f_max_hz):
    """(n_fft // 2 + 1, n_mels): triangles of height 1, HTK's mel scale."""
    def mel(hz):
        return 2595 * math.log10(1 + hz / 700)
    edges = 700 * (10 ** (torch.linspace(mel(f_min_hz), mel(f_max_hz), n_mels + 2, dtype=torch.float64) / 2595) - 1)
    hz = torch.linspace(0, SAMPLE_RATE_HZ / 2, n_fft // 2 + 1, dtype=torch.float64)[:, None]
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    return torch.minimum((hz - low) / (peak - low), (high - hz) / (high - peak)).clamp(min=0).float()


@functools.lru_cache
def dct_matrix(n_mels, n_mfcc):
    """(n_mels, n_mfcc): DCT-II, orthonormal."""
    k, m = torch.arange(n_mfcc, dtype=torch.float64), torch.arange(n_mels, dtype=torch.float64)[:, None]
    dct = torch.cos(math.pi / n_mels * (m + 0.5) * k) * math.sqrt(2 / n_mels)
    dct[:, 0] /= math.sqrt(2)
    return dct.float()


def log_mel(pcm, config):
    """(1 + samples / hop, n_mels) in dB."""
    pcm = torch.nn.functional.pad(pcm, (0, max(0, config.n_fft // 2 + 1 - len(pcm))))
    window = torch.hann_window(config.win_length)
    spectrum = torch.stft(pcm, config.n_fft, config.hop_length, config.win_length, window, center=True,
                          pad_mode="reflect", return_complex=True)
    power = spectrum.abs().pow(2).T @ mel_matrix(config.n_fft, config.n_mels, config.f_min_hz, config.f_max_hz)
    return 10 * power.clamp(min=1e-10).log10()


def speech_rows(pcm, config, rows):
    """[begin, end) of the frames left by trimming the quiet ends; None for silence. For models without voice activity."""
    pcm = torch.nn.functional.pad(pcm, (0, max(0, config.win_length - len(pcm))))
    energy = pcm.double().unfold(0, config.win_length, config.hop_length).pow(2).mean(1)
    loudest = energy.max()
    if loudest <= SILENCE:
        return None
    if config.trim_db < 0:
        return 0, rows
    loud = (energy >= loudest * 10 ** (-config.trim_db / 10)).nonzero().flatten()
    first, last = int(loud[0]), int(loud[-1])
    return max(0, first - config.trim_pad_frames), min(rows, max(first + 1, last + config.trim_pad_frames))


# ---- voice activity

def frame_measures(mel):
    """Level (frames) in dB, that of the strongest band, and change (frames) in dB: the mean step of the strong bands, those
    within 30 dB of the strongest, over 3 frames. Steady sounds change by less than 1 dB, speech by 3 and more."""
    level = mel.max(1).values
    strong = mel >= level[:, None] - CHANGE_RANGE_DB
    before = torch.arange(len(mel)).sub(CHANGE_FRAMES).clamp(min=0)
    either = strong | strong[before]
    return level, ((mel - mel[before]).abs() * either).sum(1) / either.sum(1)


def rank(values, n):
    """The n-th largest, or the one that a quarter reach when that is larger; values (count), count > 0."""
    n = min(n, (len(values) + 3) // 4)
    return values.sort(descending=True).values[n - 1]


def noise_floor(levels):
    """The level that all but 2 % of the frames reach that are no silence; QUIET_DB when all are."""
    levels = levels[levels >= QUIET_DB].sort().values
    return levels[int(NOISE_SHARE * (len(levels) - 1))].item() if len(levels) else QUIET_DB


def spread(marks, before, after):
    """Marks (frames) of which one lies at most `before` frames earlier or `after` frames later."""
    padded = torch.nn.functional.pad(marks.float(), (before, after))
    return padded.unfold(0, before + after + 1, 1).amax(1) > 0


def voice_activity(mel, config):
    """The frames (frames) bool that hold speech, and their level in dB; all False and None when there is no speech."""
    level, change = frame_measures(mel)
    floor = noise_floor(level) + config.voice_over_noise_db
    candidates = (change.double() >= config.voice_change_db) & (level.double() >= floor)
    near = torch.nn.functional.pad(candidates.float(), (REACH, REACH)).unfold(0, 2 * REACH + 1, 1).sum(1)
    speech = candidates & (near >= LEAST)
    if not speech.any():
        return speech, None
    reference = rank(level[speech], config.level_frames).item()
    loud = speech & ((level.double() >= reference - config.trim_db) | (config.trim_db < 0))
    return spread(loud, config.voice_hold_frames, config.trim_pad_frames), reference


def floored(mel, reference, config):
    """Raised to top_db under the reference."""
    return mel if config.top_db < 0 else mel.clamp(min=reference - config.top_db)


def trimmed_log_mel(pcm, config):
    """log_mel() of the frames that hold speech, floored top_db under the clip's level, or None without speech. With
    voice activity it is relative to that level."""
    mel = log_mel(pcm, config)
    if config.voice_change_db > 0:
        kept, reference = voice_activity(mel, config)
        return None if reference is None else floored(mel[kept] - reference, 0, config)
    rows = speech_rows(pcm, config, len(mel))
    return None if rows is None else floored(mel, mel.max().item(), config)[rows[0]:rows[1]]


def slopes(x):
    """Least-squares slope over 5 frames of (..., frames, features), the ends repeated."""
    padded = torch.cat([x[..., :1, :], x[..., :1, :], x, x[..., -1:, :], x[..., -1:, :]], -2)
    T = x.shape[-2]
    return sum(k * (padded[..., 2 + k:2 + k + T, :] - padded[..., 2 - k:2 - k + T, :]) for k in (1, 2)) / 10


def mfcc(mel, config):
    """(frames, features) of a log-mel spectrogram, before mean, scale and stride."""
    x = mel @ dct_matrix(config.n_mels, config.n_mfcc)
    if config.deltas:
        first = slopes(x)
        x = torch.cat([x, first, slopes(first)], -1)
    return x


def network_input(mel, config, first_frame=0):
    """What the LSTM reads, (states, features), of a trimmed log-mel spectrogram."""
    x = mfcc(mel, config)
    if config.utterance_mean_subtracted:
        x = x - x.mean(0)
    x = (x - torch.tensor(config.feature_mean)) / torch.tensor(config.feature_std)
    return x[first_frame::config.frame_stride]


# ---- live

def live_input(pcm, config):
    """What the LSTM reads live, (states, features), and the frame of each state: engine/backend/cpu/live_speech.h, in which
    nothing depends on what comes more than REACH + trim_pad_frames frames later. Silence follows the clip."""
    delay = REACH + config.trim_pad_frames
    frames = len(pcm) // config.hop_length + 1
    pcm = torch.nn.functional.pad(pcm, (0, delay * config.hop_length + config.n_fft))
    mel = log_mel(pcm, config)[:frames + delay]
    level, change = (values.tolist() for values in frame_measures(mel))
    dct = dct_matrix(config.n_mels, config.n_mfcc).double()
    candidates, loud, levels = [], [], []
    reference, mean, heard, rows, at = None, torch.zeros(config.n_mfcc, dtype=torch.float64), 0, [], []
    for t in range(frames + delay):
        recent = [v for v in level[max(0, t + 1 - NOISE_FRAMES):t + 1] if v >= QUIET_DB]
        floor = noise_floor(torch.tensor(recent if len(recent) >= NOISE_START else [])) + config.voice_over_noise_db
        candidates.append(change[t] >= config.voice_change_db and level[t] >= floor)
        s = t - REACH  # is it speech?
        if s < 0:
            continue
        speech = candidates[s] and sum(candidates[max(0, s - REACH):]) >= LEAST
        if speech:
            levels = (levels + [level[s]])[-LEVEL_FRAMES:]
            reference = rank(torch.tensor(levels), config.level_frames).item()
        loud.append(speech and (config.trim_db < 0 or level[s] >= reference - config.trim_db))
        k = s - config.trim_pad_frames  # is it kept?
        if k < 0 or not any(loud[max(0, k - config.voice_hold_frames):]):
            continue
        x = floored(mel[k] - reference, 0, config).double() @ dct
        heard += 1
        mean += (x - mean) / min(heard, MEAN_FRAMES)
        if config.utterance_mean_subtracted:
            x = x - mean
        if (heard - 1) % config.frame_stride == 0:
            rows.append((x - torch.tensor(config.feature_mean)) / torch.tensor(config.feature_std))
            at.append(k)
    return (torch.stack(rows).float() if rows else torch.zeros(0, config.n_mfcc)), at
