"""Pixels by Pillow, for the library's reader of pictures, which knows headers, sizes, orientation and colour profiles."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from PIL import Image

from ._lib import core

_READ = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_WRITTEN = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
    "TIFF": {"compression": "tiff_lzw"},
}


def _decode(file: bytes) -> np.ndarray[Any, Any]:
    """Pixels as stored: (H,W,3) RGB or (H,W,4) RGBA, not turned upright, colours not converted."""
    with Image.open(io.BytesIO(file), formats=_READ) as picture:
        if picture.mode.startswith("I"):  # 16 bits of grey: 65535 is 255
            grey = np.rint(np.asarray(picture) / 257).astype(np.uint8)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if picture.mode == "CMYK":
            return _rgb_of_cmyk(np.asarray(picture), "adobe" in picture.info)
        transparent = "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA")
        return np.asarray(picture.convert("RGBA" if transparent else "RGB"))


def _rgb_of_cmyk(cmyk: np.ndarray[Any, Any], adobe: bool) -> np.ndarray[Any, Any]:
    """RGB as the command line makes it, without a profile. Adobe's files hold 255 - ink, which Pillow turns round."""
    stored = (255 - cmyk if adobe else cmyk).astype(np.int32)
    black = stored[:, :, 3:]
    return (black - ((255 - stored[:, :, :3]) * black >> 8)).astype(np.uint8)


def encode(pixels: np.ndarray[Any, Any], bgr: bool, kind: str) -> bytes:
    if bgr:
        pixels = pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    name = _WRITTEN.get(kind, kind.upper())
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, name, **_OPTIONS.get(name, {}))
    return file.getvalue()


@functools.cache
def bring() -> None:
    """Gives the library this codec, once."""
    core.set_codec(_decode, encode)
