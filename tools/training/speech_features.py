"""Features of speech as the engine computes them (weights/config.h, SpeechConfig), in plain torch.

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
    utterance_mean_subtracted: bool = True
    frame_stride: int = 2
    feature_mean: list = dataclasses.field(default_factory=list)
    feature_std: list = dataclasses.field(default_factory=list)
    lstm_hidden: int = 96
    lstm_layers: int = 2
    bidirectional: bool = False
    readout: str = "mean"
    readout_window_s: float = 2.0  # of 1 s, a fearful sample clip turned to disgust and back within a second
    emotion_sharpness: float = 0.0
    au_names: list = dataclasses.field(default_factory=lambda: list(AU_NAMES))

    def features(self):
        return 3 * self.n_mfcc if self.deltas else self.n_mfcc


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
    """(1 + samples / hop, n_mels) in dB, floored top_db under the clip's maximum."""
    pcm = torch.nn.functional.pad(pcm, (0, max(0, config.n_fft // 2 + 1 - len(pcm))))
    window = torch.hann_window(config.win_length)
    spectrum = torch.stft(pcm, config.n_fft, config.hop_length, config.win_length, window, center=True,
                          pad_mode="reflect", return_complex=True)
    power = spectrum.abs().pow(2).T @ mel_matrix(config.n_fft, config.n_mels, config.f_min_hz, config.f_max_hz)
    db = 10 * power.clamp(min=1e-10).log10()
    return db if config.top_db < 0 else db.clamp(min=db.max().item() - config.top_db)


def speech_rows(pcm, config, rows):
    """[begin, end) of the frames left by trimming the quiet ends; None for silence."""
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


def trimmed_log_mel(pcm, config):
    """log_mel() of the frames that hold speech, or None for silence."""
    mel = log_mel(pcm, config)
    rows = speech_rows(pcm, config, len(mel))
    return None if rows is None else mel[rows[0]:rows[1]]


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
