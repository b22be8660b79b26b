"""What the tests share. They run on the installed package: python -m pytest python/tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emoengine
from emoengine._lib import core

core.set_leak_warnings(True)
ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "samples/astronaut.png"
VOICE = ROOT / "samples/happy.flac"
FACE = emoengine.Face(178, 80, 92)  # of PHOTO


@pytest.fixture(scope="session")
def engine() -> Iterator[emoengine.Engine]:
    with emoengine.Engine(lite=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    pixels = emoengine.read_picture(PHOTO)
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def pcm(engine: emoengine.Engine) -> NDArray[np.float32]:
    return emoengine.read_sound(VOICE, engine.sample_rate)
