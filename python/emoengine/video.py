"""Videos, and the sounds that only FFmpeg decodes, by PyAV: `pip install 'emoengine[video]'`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays
from ._arrays import Pixels, SoundLike
from .errors import DeviceError, InputError

_SOUND_HZ = 48000


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise DeviceError(
            "media: this file needs FFmpeg, and PyAV is not installed; pip install 'emoengine[video]'"
        ) from None
    return av


def _open(source: Any) -> Any:
    av = _av()
    name = _arrays.name_of(source, "source")
    file = _arrays.file_source(source)
    try:
        return av.open(io.BytesIO(file) if isinstance(file, bytes) else file)
    except (OSError, av.FFmpegError) as error:
        raise InputError(f"{name}: is no sound or video that FFmpeg opens: {error}") from None


def decode_sound(source: str | os.PathLike[str] | bytes) -> tuple[NDArray[np.float32], int]:
    """The first sound of a file, (samples, channels) in [-1, 1], and its samples a second."""
    name = _arrays.name_of(source, "source")
    with _open(source) as container:
        if not container.streams.audio:
            raise InputError(f"{name}: holds no sound")
        stream = container.streams.audio[0]
        resampler = _av().AudioResampler(format="fltp")
        try:
            parts = [
                part.to_ndarray()
                for frame in [*container.decode(stream), None]
                for part in resampler.resample(frame)
            ]
        except (OSError, _av().FFmpegError) as error:
            raise InputError(f"{name}: its sound cannot be decoded: {error}") from None
        if not parts:
            raise InputError(f"{name}: its sound has no samples")
        return np.concatenate(parts, axis=1).T.astype(np.float32, copy=False), int(stream.rate)


def read_video(source: str | os.PathLike[str] | bytes) -> Iterator[tuple[float, Pixels]]:
    """The frames of a file's first video: the time of each in seconds, and (H,W,3) RGB."""
    name = _arrays.name_of(source, "source")
    with _open(source) as container:
        if not container.streams.video:
            raise InputError(f"{name}: holds no video")
        try:
            for frame in container.decode(video=0):
                yield float(frame.time or 0), frame.to_ndarray(format="rgb24")
        except (OSError, _av().FFmpegError) as error:
            raise InputError(f"{name}: its pictures cannot be decoded: {error}") from None


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Pixels],
    fps: float = 25,
    sound: SoundLike | None = None,
    rate: int | None = None,
) -> None:
    """Writes RGB frames of one size as .mp4 (H.264, AAC) or .webm (VP9, Opus), with a sound as Engine.hear() takes it.

    The file is there when it is whole. An odd side repeats its edge.
    """
    av = _av()
    out = Path(path)
    codecs = {".mp4": ("libx264", "aac"), ".webm": ("libvpx-vp9", "libopus")}.get(out.suffix.lower())
    if codecs is None:
        raise InputError(f"output: {out}: a name that ends in .mp4 or .webm is needed")
    pcm = None if sound is None else _arrays.as_pcm(sound, rate, _SOUND_HZ)
    part = out.with_name(f"{out.stem}.part{out.suffix}")
    try:
        with av.open(str(part), "w") as container:
            video = container.add_stream(codecs[0], rate=Fraction(fps).limit_denominator(1001))
            video.pix_fmt = "yuv420p"
            voice = container.add_stream(codecs[1], rate=_SOUND_HZ, layout="mono") if pcm is not None else None
            for i, pixels in enumerate(frames):
                even = np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)), mode="edge")
                if i == 0:
                    video.height, video.width = even.shape[:2]
                container.mux(video.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            container.mux(video.encode(None))
            if voice is not None and pcm is not None:
                for start in range(0, len(pcm), _SOUND_HZ):
                    chunk = av.AudioFrame.from_ndarray(pcm[None, start : start + _SOUND_HZ], format="fltp", layout="mono")
                    chunk.sample_rate, chunk.pts = _SOUND_HZ, start
                    container.mux(voice.encode(chunk))
                container.mux(voice.encode(None))
        part.replace(out)
    except OSError as error:
        raise InputError(f"output: {out}: cannot be written: {error}") from None
    finally:
        part.unlink(missing_ok=True)
