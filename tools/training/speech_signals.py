"""Sounds that training and evaluation make themselves: degraded copies of a clip, sounds that are no speech, and
synthetic speech of espeak-ng. Everything is (samples,) float32 at 16 kHz and repeats with its generator's seed."""
import dataclasses
import functools
import html
import io
import math
import shutil
import subprocess

import numpy as np
import torch

from common import TrainingError
from speech_features import SAMPLE_RATE_HZ


def uniform(low, high, generator):
    return low + (high - low) * torch.rand((), generator=generator).item()


def resample(pcm, rate_hz, wanted_hz=SAMPLE_RATE_HZ):
    """By the clip's spectrum: exact for what both rates can hold."""
    if rate_hz == wanted_hz or len(pcm) == 0:
        return pcm
    samples = max(1, round(len(pcm) * wanted_hz / rate_hz))
    spectrum = torch.fft.rfft(pcm)
    out = torch.zeros(samples // 2 + 1, dtype=spectrum.dtype)
    n = min(len(out), len(spectrum))
    out[:n] = spectrum[:n]
    return torch.fft.irfft(out, samples) * (samples / len(pcm))


# ---- degraded copies

def shaped_noise(samples, slope, generator):
    """Noise of unit power whose amplitude goes with frequency^-slope: 0 white, 0.5 pink, 1 brown."""
    spectrum = torch.fft.rfft(torch.randn(samples, generator=generator))
    spectrum *= torch.arange(1, len(spectrum) + 1).float() ** -slope
    noise = torch.fft.irfft(spectrum, samples)
    return noise / noise.pow(2).mean().sqrt().clamp(min=1e-9)


def with_noise(pcm, snr_db, generator, slope=0.5):
    """Noise so far under the clip's mean power."""
    return pcm + shaped_noise(len(pcm), slope, generator) * pcm.pow(2).mean().sqrt() * 10 ** (-snr_db / 20)


def with_echo(pcm, rt60_s, direct_to_room_db, generator):
    """A room: noise that decays by 60 dB in rt60_s, after the direct sound."""
    t = torch.arange(1, int(rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = torch.randn(len(t), generator=generator) * 10 ** (-3 * t / rt60_s)
    tail *= 10 ** (-direct_to_room_db / 20) / tail.pow(2).sum().sqrt()
    response = torch.cat([torch.ones(1), tail])
    n = len(pcm) + len(response) - 1
    return torch.fft.irfft(torch.fft.rfft(pcm, n) * torch.fft.rfft(response, n), n)[:len(pcm)]


def telephone(pcm):
    """300 to 3400 Hz, falling 24 dB an octave outside."""
    hz = torch.fft.rfftfreq(len(pcm), 1 / SAMPLE_RATE_HZ).clamp(min=1)
    gain = 1 / (1 + (300 / hz) ** 8).sqrt() / (1 + (hz / 3400) ** 8).sqrt()
    return torch.fft.irfft(torch.fft.rfft(pcm) * gain, len(pcm))


def with_gain(pcm, gain_db):
    """Louder or softer, cut at full scale as a recording would be."""
    return (pcm * 10 ** (gain_db / 20)).clamp(-1, 1)


def degraded(pcm, generator):
    """A random mix of telephone band, echo and noise: what training hears beside the clean clip."""
    kind = torch.randint(0, 8, (), generator=generator).item()  # bits: noise, echo, telephone
    if kind == 0:
        kind = 1
    if kind & 2:
        pcm = with_echo(pcm, uniform(0.2, 0.9, generator), uniform(-3, 9, generator), generator)
    if kind & 4:
        pcm = telephone(pcm)
    if kind & 1:
        pcm = with_noise(pcm, uniform(5, 30, generator), generator, uniform(0, 1, generator))
    return pcm


# ---- no speech

def hum(seconds, generator):
    """A steady tone with harmonics: mains, a fan, a motor."""
    t = torch.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hz = uniform(45, 900, generator)
    return sum(uniform(0, 1, generator) / k * torch.sin(2 * math.pi * k * hz * t) for k in range(1, 9))


def music(seconds, generator):
    """Notes of a major scale, plucked, two voices."""
    out = torch.zeros(int(seconds * SAMPLE_RATE_HZ))
    beat = int(uniform(0.12, 0.4, generator) * SAMPLE_RATE_HZ)
    root_hz, scale = uniform(110, 330, generator), [0, 2, 4, 5, 7, 9, 11, 12, 14, 16]
    for voice in (1, 2):
        for start in range(0, len(out), beat * voice):
            t = torch.arange(min(len(out) - start, 3 * beat)) / SAMPLE_RATE_HZ
            note = scale[torch.randint(0, len(scale), (), generator=generator).item()]
            hz = root_hz / voice * 2 ** (note / 12)
            out[start:start + len(t)] += sum(torch.sin(2 * math.pi * k * hz * t) / k for k in range(1, 6)) * torch.exp(-5 * t)
    return out


def steps(seconds, generator):
    """Short bursts of noise: knocks, steps, typing."""
    out = torch.zeros(int(seconds * SAMPLE_RATE_HZ))
    at = 0
    while at < len(out):
        n = min(len(out) - at, int(uniform(0.01, 0.15, generator) * SAMPLE_RATE_HZ))
        decay = torch.exp(-torch.arange(n) / SAMPLE_RATE_HZ * uniform(30, 200, generator))
        out[at:at + n] += shaped_noise(n, uniform(0, 1, generator), generator) * decay
        at += int(uniform(0.08, 0.7, generator) * SAMPLE_RATE_HZ)
    return out


def noise(seconds, generator):
    """Steady or slowly swelling noise."""
    n = int(seconds * SAMPLE_RATE_HZ)
    swell = 1 + uniform(0, 0.9, generator) * torch.sin(torch.arange(n) / SAMPLE_RATE_HZ * uniform(0, 20, generator))
    return shaped_noise(n, uniform(0, 1.2, generator), generator) * swell


NO_SPEECH = {"noise": noise, "hum": hum, "music": music, "steps": steps}


def no_speech(name, generator):
    """One to four seconds of a sound of NO_SPEECH, with a little noise under it, its peak at 0.05 to 0.9."""
    pcm = NO_SPEECH[name](uniform(1, 4, generator), generator)
    pcm = with_noise(pcm, uniform(15, 50, generator), generator)
    return pcm * (uniform(0.05, 0.9, generator) / pcm.abs().max())


# ---- synthetic speech

@dataclasses.dataclass(frozen=True)
class Style:
    """How espeak-ng speaks: words a minute, pitch and its range (0..99, 50 is the voice's own), loudness (0..200)."""
    speed: int = 165
    pitch: int = 50
    range: int = 50
    amplitude: int = 100


# What the literature on vocal expression agrees on (Banse & Scherer 1996; Murray & Arnott 1993; Burkhardt & Sendlmeier
# 2000): joy fast, high and lively; sadness slow, low and flat; anger fast, loud and lively; fear very fast, high and flat;
# surprise high with the widest range; disgust slow, low.
STYLES = {
    "neutral": Style(),
    "happiness": Style(speed=195, pitch=70, range=85, amplitude=130),
    "sadness": Style(speed=115, pitch=30, range=12, amplitude=60),
    "surprise": Style(speed=185, pitch=88, range=99, amplitude=130),
    "fear": Style(speed=235, pitch=85, range=20, amplitude=80),
    "anger": Style(speed=205, pitch=45, range=75, amplitude=190),
    "disgust": Style(speed=125, pitch=18, range=45, amplitude=110),
}


@functools.lru_cache
def has_espeak():
    return shutil.which("espeak-ng") is not None


def espeak(text, style, voice="en-gb"):
    """Speaks `text`. Pitch range can only be asked for in SSML."""
    import soundfile
    ssml = f'<speak><prosody range="{2 * style.range}%">{html.escape(text)}</prosody></speak>'
    command = ["espeak-ng", "-m", "-v", voice, "-s", str(style.speed), "-p", str(style.pitch), "-a", str(style.amplitude),
               "--stdout", ssml]
    try:
        wav = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise TrainingError(f"espeak-ng with voice {voice}: {error}; install espeak-ng, or go without synthetic speech") from None
    pcm, rate_hz = soundfile.read(io.BytesIO(wav), dtype="float32")
    return resample(torch.from_numpy(np.ascontiguousarray(pcm)), rate_hz)


def jittered(style, generator):
    """The style as another speaker would have it: each number up to 12 % off."""
    return Style(*(max(1, round(value * uniform(0.88, 1.12, generator))) for value in dataclasses.astuple(style)))
