"""What callers hand over, as the library takes it: pictures, sounds and action units. Copies only where it has to."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _codec
from ._lib import core
from .errors import ArgumentError, DeviceError, InputError

Pixels: TypeAlias = NDArray[np.uint8]
Order = Literal["rgb", "bgr"]
#: A path, a file's bytes, an array (H,W), (H,W,3) or (H,W,4) of uint8, a PIL picture, or a tensor through DLPack.
ImageLike: TypeAlias = Any
#: A path, a file's bytes, or an array (samples,) or (samples, channels): floats in [-1, 1], or signed integers.
SoundLike: TypeAlias = Any
#: Intensities 0..1: {"AU12": 1}, {12: 1}, "12=1,6=0.8", or one value an action unit in the model's order.
AusLike: TypeAlias = "Mapping[str, float] | Mapping[int, float] | Sequence[float] | NDArray[Any] | str"


class Face(NamedTuple):
    """A face's square in pixels, as a detector gives it: left, top and side; `roll`, clockwise radians, turns it about its
    middle."""

    x: float
    y: float
    side: float
    roll: float = 0


def is_file(source: object) -> bool:
    """Whether it is a path or a file's bytes."""
    return isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview))


def file_source(source: Any) -> str | bytes:
    """A file as the library takes it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    return os.fsdecode(source)


def name_of(source: object, otherwise: str) -> str:
    """What an error calls it."""
    return os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else otherwise


def is_bgr(order: str) -> bool:
    if order not in ("rgb", "bgr"):
        raise ArgumentError(f"`order`: {order!r} came; 'rgb' or 'bgr' is needed")
    return order == "bgr"


def _array_of(value: Any, name: str) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "getbands"):  # PIL
        if value.mode not in ("L", "RGB", "RGBA"):
            value = value.convert("RGBA" if value.has_transparency_data else "RGB")
        return np.asarray(value)
    if hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] != 1:  # kDLCPU
        raise ArgumentError(f"`{name}`: lies in another device's memory; bring it here, by .cpu() in PyTorch")
    if hasattr(value, "detach"):  # a tensor with a gradient has no DLPack
        value = value.detach()
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return np.asarray(value)


def as_pixels(image: ImageLike, order: str = "rgb", name: str = "image") -> Pixels:
    """(H,W,3) or (H,W,4), pixels of a row without gaps; a copy only where that is not so already."""
    if is_file(image):
        is_bgr(order)
        _codec.bring()
        pixels = core.read_picture(file_source(image))
        return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]] if order == "bgr" else pixels
    pixels = _array_of(image, name)
    if pixels.dtype != np.uint8:
        raise ArgumentError(f"`{name}`: values of {pixels.dtype} came; uint8, 0 to 255, is needed")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        channels_first = pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4)
        advice = "; move the channels last, by .permute(1, 2, 0) or numpy.moveaxis" if channels_first else ""
        raise ArgumentError(
            f"`{name}`: an array of {pixels.shape} came; (H,W), (H,W,3) or (H,W,4) is needed{advice}"
        )
    return pixels if _is_dense(pixels) else np.ascontiguousarray(pixels)


def _is_dense(pixels: NDArray[Any]) -> bool:
    row, pixel, value = pixels.strides
    return value == 1 and pixel == pixels.shape[2] and row >= pixel * pixels.shape[1]


def as_out(out: Any, like: Pixels) -> Any:
    """Where a result is written, in its own memory: never a hidden copy."""
    if out is None:
        return np.empty(like.shape, np.uint8)
    view = _array_of(out, "out")
    if view.dtype != np.uint8 or view.ndim != 3 or view.shape[:2] != like.shape[:2] or view.shape[2] not in (3, 4):
        height, width = like.shape[:2]
        raise ArgumentError(
            f"`out`: an array of {view.shape}, {view.dtype} came; ({height},{width},3), uint8, is needed"
        )
    if not _is_dense(view):
        raise ArgumentError("`out`: its pixels have gaps, or its rows run backwards; a plain array is needed")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ArgumentError("`out`: is read-only; an array that can be written to is needed")
    return out


def as_pcm(sound: SoundLike, rate: int | None, wanted: int, name: str = "waveform") -> NDArray[np.float32]:
    """Mono at the rate that is wanted, mixed and resampled as the command line does it."""
    if is_file(sound):
        return _read_sound(sound, wanted)
    wave = _array_of(sound, name)
    if wave.dtype.kind == "i":
        wave = wave.astype(np.float32) / np.float32(-float(np.iinfo(wave.dtype).min))
    elif wave.dtype.kind != "f":
        raise ArgumentError(f"`{name}`: values of {wave.dtype} came; floats in [-1, 1] or signed integers are needed")
    if wave.ndim not in (1, 2):
        raise ArgumentError(f"`{name}`: an array of {wave.shape} came; (samples,) or (samples, channels) is needed")
    if wave.ndim == 2 and wave.shape[1] > wave.shape[0] > 0:
        raise ArgumentError(f"`{name}`: an array of {wave.shape} came; samples come first, channels second: pass its .T")
    if rate is None:
        raise ArgumentError(f"`rate`: None came with an array; its samples a second are needed, {wanted} as it is")
    if rate == wanted and wave.ndim == 1:
        return np.ascontiguousarray(wave, dtype=np.float32)
    if not np.isfinite(wave).all():
        raise InputError(f"`{name}`: holds NaN or infinity; repair it")
    try:
        return core.read_sound(wav_bytes(wave, rate), wanted)
    except (ArgumentError, InputError) as error:
        raise type(error)(str(error).replace("`source`", f"`{name}`", 1)) from None


def wav_bytes(wave: NDArray[Any], rate: int) -> bytes:
    """A WAV file of 32-bit floats."""
    if not isinstance(rate, (int, np.integer)) or not 1 <= rate <= 0x3FFFFFFF:
        raise ArgumentError(f"`rate`: {rate!r} came; samples a second, a whole number, are needed")
    channels = 1 if wave.ndim == 1 else wave.shape[1]
    data = np.ascontiguousarray(wave, dtype="<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, channels, rate, rate * 4 * channels, 4 * channels, 32)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 8 + len(data), b"WAVE") + form + struct.pack(
        "<4sI", b"data", len(data)
    ) + data


def _read_sound(sound: Any, rate: int) -> NDArray[np.float32]:
    try:
        return core.read_sound(file_source(sound), rate)
    except DeviceError:  # neither WAV, FLAC, Ogg nor MP3, and the wheel brings no FFmpeg
        from . import video  # needs the extra

        wave, own_rate = video.decode_sound(sound)
        return core.read_sound(wav_bytes(wave, own_rate), rate)


def as_aus(aus: AusLike, engine: core.Engine) -> NDArray[np.float32]:
    """One value for each of the model's action units. Those that a mapping or text does not name are 0."""
    if isinstance(aus, str):
        return engine.express(None, 1.0, None, aus).reshape(-1)
    names = engine.au_names
    if not isinstance(aus, Mapping):
        return np.ascontiguousarray(_array_of(aus, "aus"), dtype=np.float32).reshape(-1)
    values = np.zeros(len(names), np.float32)
    for key, value in aus.items():
        name = str(key) if str(key).startswith("AU") else f"AU{str(key):0>2}"
        if name not in names:
            raise ArgumentError(f"`aus`: {key!r} came; the model knows {', '.join(names)}")
        values[names.index(name)] = value
    return values
