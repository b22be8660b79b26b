#!/usr/bin/env python3
"""What Engine.generate() costs over emo_run() of the same library, in turns: python bench/python/overhead.py [--lite]

Both redraw one face of the sample portrait, whose box is known, into an array that is there. Prints one line of JSON: medians
of the time by the clock and of the processors' time, which other programs disturb less; and what Python does round the call.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import time
from pathlib import Path

import numpy as np

import emoengine
from emoengine._lib import core

ROOT = Path(__file__).resolve().parents[2]


class Image(ctypes.Structure):
    _fields_ = [
        ("pixels", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("stride", ctypes.c_ssize_t),
        ("format", ctypes.c_int32),
        ("memory", ctypes.c_int32),
    ]


class Redraw(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("passes", ctypes.c_int32),
        ("photo", ctypes.POINTER(Image)),
        ("box", ctypes.c_float * 4),
        ("is_crop", ctypes.c_int32),
        ("face", ctypes.c_void_p),
        ("aus", ctypes.c_void_p),
        ("out", ctypes.POINTER(Image)),
        ("planes", ctypes.c_void_p * 3),
        ("timeout_us", ctypes.c_int64),
        ("status", ctypes.c_int32),
        ("error", ctypes.c_char * 256),
    ]


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("abi", ctypes.c_uint32),
        ("generator", ctypes.c_void_p * 3),
        ("speech", ctypes.c_void_p * 3),
        ("reader", ctypes.c_void_p * 3),
        ("models", ctypes.c_int32),
        ("numbers", ctypes.c_int32 * 9),
        ("log", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    ]


class InC:
    """emo_run() of the package's library, by ctypes, which costs some microseconds itself."""

    def __init__(self, lite: bool, photo: np.ndarray, face: emoengine.Face, aus: np.ndarray) -> None:
        package = Path(core.__file__).parent
        self.library = ctypes.CDLL(str(package / "libemoengine.so.0"))
        self.engine, self.out, self.keep = ctypes.c_void_p(), np.empty_like(photo), (photo, aus)
        options = Options(size=ctypes.sizeof(Options), abi=1)
        if lite:
            path = ctypes.c_char_p(str(package.parent / "share/emoengine/weights/generator-lite.safetensors").encode())
            options.generator[0] = ctypes.cast(path, ctypes.c_void_p).value
        assert self.library.emo_open(ctypes.byref(options), ctypes.byref(self.engine)) == 0
        height, width = photo.shape[:2]
        images = [Image(array.ctypes.data, width, height, 0, 0, 0) for array in (photo, self.out)]
        self.job = Redraw(size=ctypes.sizeof(Redraw), box=(ctypes.c_float * 4)(*face), aus=aus.ctypes.data)
        self.job.photo, self.job.out = (ctypes.pointer(image) for image in images)

    def __call__(self) -> None:
        assert self.library.emo_run(self.engine, ctypes.byref(self.job), 1) == 0

    def close(self) -> None:
        self.library.emo_close(self.engine)


def times(work) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """By the clock and of the processors, seconds."""
    clock, processors = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lite", action="store_true", help="the smaller generator")
    parser.add_argument("--rounds", type=int, default=8, help="times that both engines are opened, in turns")
    parser.add_argument("--calls", type=int, default=40, help="of a round")
    options = parser.parse_args()

    photo = emoengine.read_picture(ROOT / "samples/astronaut.png")
    face, out = emoengine.Face(178, 80, 92), np.empty_like(photo)
    smile = {"AU12": 1.0, "AU06": 0.8}
    taken = []
    for turn in range(options.rounds):
        # Where an engine's memory lies moves its speed by percents, so it is opened anew, now the one first, now the other.
        engine = emoengine.Engine(lite=options.lite) if turn % 2 else None
        aus = np.zeros(17, np.float32)
        aus[[4, 8]] = smile["AU06"], smile["AU12"]
        in_c = InC(options.lite, photo, face, aus)
        engine = engine or emoengine.Engine(lite=options.lite)

        def in_python() -> None:
            engine.generate(photo, smile, face=face, out=out)

        for work in (in_c, in_python) * 3:
            work()
        assert np.array_equal(out, in_c.out)
        taken += [(times(in_c), times(in_python)) for _ in range(options.calls)]
        in_c.close()
        if turn < options.rounds - 1:
            engine.close()
    c_s, python_s = (statistics.median(pair[i][0] for pair in taken) for i in (0, 1))
    c_cpu_s, python_cpu_s = (statistics.median(pair[i][1] for pair in taken) for i in (0, 1))

    class Idle:  # draws nothing
        def __getattr__(self, name: str) -> object:
            return getattr(opened_core, name)

        def redraw(self, *_: object, **__: object) -> list[tuple[int, str]]:
            return [(0, "")]

    backend, opened_core = engine.backend, engine._core
    engine._core = Idle()  # type: ignore[assignment]
    around_s = statistics.median(times(in_python)[0] for _ in range(1000))
    engine._core = opened_core
    print(
        json.dumps(
            {
                "backend": backend,
                "model": "generator-lite" if options.lite else "generator",
                "calls": len(taken),
                "c_ms": round(c_s * 1e3, 3),
                "python_ms": round(python_s * 1e3, 3),
                "overhead": round(python_s / c_s - 1, 4),
                "c_cpu_ms": round(c_cpu_s * 1e3, 3),
                "python_cpu_ms": round(python_cpu_s * 1e3, 3),
                "overhead_cpu": round(python_cpu_s / c_cpu_s - 1, 4),
                "around_us": round(around_s * 1e6, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
