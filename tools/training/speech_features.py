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
LIVE_FRAMES = 600  # what a stream remembers, as in engine/backend/cpu/live_speech.h


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


def rank(levels, n):
    """The n-th largest (clips) of each row of levels (clips, frames), or the one that a quarter reach when that is larger;
    what is -inf does not count. -inf for rows without any."""
    count = (levels > -math.inf).sum(1)
    largest = levels.topk(min(n, levels.shape[1]), 1).values
    return largest.gather(1, (((count + 3) // 4).clamp(1, n) - 1)[:, None])[:, 0]


def noise_floor(levels):
    """The level (clips) that all but 2 % of the frames reach that are no silence; QUIET_DB when all are. levels (clips, frames)."""
    levels = levels.masked_fill(levels < QUIET_DB, -math.inf).sort(1, descending=True).values
    count = (levels > -math.inf).sum(1)
    last = (count - 1 - (NOISE_SHARE * (count - 1).double()).long()).clamp(min=0)
    return levels.gather(1, last[:, None])[:, 0].clamp(min=QUIET_DB)


def spread(marks, before, after):
    """Marks (clips, frames) of which one lies at most `before` frames earlier or `after` frames later."""
    padded = torch.nn.functional.pad(marks.float(), (before, after))
    return torch.nn.functional.max_pool1d(padded[:, None], before + after + 1, 1)[:, 0] > 0


def voices(level, change, seen, config):
    """Of clips that are made of the frames `seen` (clips, frames), bool, of one sound with these measures (frames): which of
    them hold speech (clips, frames), bool, and their level (clips) in dB, -inf when there is no speech."""
    levels = level.expand(seen.shape).masked_fill(~seen, -math.inf)
    floor = noise_floor(levels).double() + config.voice_over_noise_db
    candidates = (change.double() >= config.voice_change_db) & (levels.double() >= floor[:, None])
    near = torch.nn.functional.pad(candidates.float(), (REACH, REACH)).unfold(1, 2 * REACH + 1, 1).sum(2)
    speech = candidates & (near >= LEAST)
    reference = rank(levels.masked_fill(~speech, -math.inf), config.level_frames)
    loud = speech & ((level.double() >= reference[:, None].double() - config.trim_db) | (config.trim_db < 0))
    return spread(loud, config.voice_hold_frames, config.trim_pad_frames) & seen, reference


def voice_activity(mel, config):
    """The frames (frames) bool that hold speech, and their level in dB; all False and None when there is no speech."""
    kept, reference = voices(*frame_measures(mel), torch.ones(1, len(mel), dtype=torch.bool), config)
    return kept[0], reference.item() if kept.any() else None


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

def live_log_mel(pcm, config):
    """trimmed_log_mel() of a stream that has this sound, then silence: (kept frames, 2, n_mels), and the frame of each.

    A frame is decided on REACH + trim_pad_frames frames later, from the last LIVE_FRAMES of what came until then as if they
    were a clip. [:, 0] is the frame relative to that clip's level, [:, 1] the mean of all the frames that the clip keeps.
    """
    delay = REACH + config.trim_pad_frames
    frames = len(pcm) // config.hop_length + 1
    pcm = torch.nn.functional.pad(pcm, (0, delay * config.hop_length + config.n_fft))
    mel = log_mel(pcm, config)[:frames + delay]
    level, change = frame_measures(mel)
    rows, at = [torch.zeros(0, 2, config.n_mels)], []
    for newest in torch.arange(delay, len(mel)).split(256):
        past = torch.arange(max(0, int(newest[0]) + 1 - LIVE_FRAMES), int(newest[-1]) + 1)
        seen = (past <= newest[:, None]) & (past > newest[:, None] - LIVE_FRAMES)
        kept, reference = voices(level[past], change[past], seen, config)
        decided = newest - delay - past[0]
        heard = kept.gather(1, decided[:, None])[:, 0]
        kept, reference, decided = kept[heard].float(), reference[heard], decided[heard]
        block = torch.zeros(len(decided), 2, config.n_mels)
        for one in reference.unique():
            same, clip = reference == one, floored(mel[past] - one, 0, config)
            block[same, 0] = clip[decided[same]]
            block[same, 1] = kept[same] @ clip / kept[same].sum(1, keepdim=True)
        rows.append(block)
        at += past[decided].tolist()
    return torch.cat(rows), at


def live_input(pcm, config):
    """What the LSTM reads live, (states, features), and the frame of each state: engine/backend/cpu/live_speech.h, in which
    nothing depends on what comes more than REACH + trim_pad_frames frames later. Silence follows the clip."""
    mel, at = live_log_mel(pcm, config)
    x = mfcc(mel[:, 0] - mel[:, 1] if config.utterance_mean_subtracted else mel[:, 0], config)
    x = (x - torch.tensor(config.feature_mean)) / torch.tensor(config.feature_std)
    return x[::config.frame_stride], at[::config.frame_stride]
