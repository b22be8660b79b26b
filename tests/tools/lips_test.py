"""Lips against phonemes whose times are known: libespeak-ng speaks, `emoengine aus --per-frame` hears.

    python3 tests/tools/lips_test.py        # build/bin/emoengine must be built
"""

import csv
import ctypes
import pathlib
import subprocess
import tempfile
import unittest
import wave

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FPS = 100
SENTENCES = [
    "My mom bought a big map of Papua, please stop at the far palace.",
    "I can not believe that you did that to me, it was a lovely evening.",
    "The quick brown fox jumps over the lazy dog while papa and mama bake apple pie.",
]
VOICES = ["en-us", "en-us+f1", "en-us+m3", "en-us+f3", "de", "it"]
SHUT = {"m", "b", "p"}


class Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng's speak_lib.h."""

    class Id(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]

    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", Id),
    ]  # fmt: skip


class Espeak:
    """Text to (rate, int16 samples, [(second, phoneme)])."""

    PHONEME, SYNCHRONOUS, PHONEME_EVENTS = 7, 1, 1

    def __init__(self):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.library.espeak_Initialize(self.SYNCHRONOUS, 0, None, self.PHONEME_EVENTS)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
        self.callback = kind(self.heard)  # kept, or it would be collected
        self.library.espeak_SetSynthCallback(self.callback)

    def heard(self, samples, count, events):
        if samples and count > 0:
            self.pcm.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != 0:
            if events[i].type == self.PHONEME:
                self.phonemes.append((events[i].audio_position / 1000, events[i].id.string.decode().strip("'%,=")))
            i += 1
        return 0

    def __call__(self, text, voice):
        self.pcm, self.phonemes = [], []
        assert self.library.espeak_SetVoiceByName(voice.encode()) == 0, voice
        data = text.encode()
        self.library.espeak_Synth(data, len(data) + 1, 0, 0, 0, 1, None, None)
        self.library.espeak_Synchronize()
        return self.rate, np.concatenate(self.pcm), self.phonemes


def openness(phoneme):
    """Of espeak-ng's names: how open a mouth says it, 0 to 1."""
    if not phoneme or phoneme[0] in "_;|" or phoneme in SHUT:
        return 0.0
    for letters, value in [("aAOVQ0", 1.0), ("eE3o", 0.65), ("@I", 0.45), ("iuUy", 0.35), ("fv", 0.1), ("szSZwj", 0.15)]:
        if phoneme[0] in letters:
            return value
    return 0.25


def reference(phonemes, count):
    """Openness at FPS rows a second, with 30 ms from sound to sound."""
    rows = np.zeros(count)
    for (begin, phoneme), (end, _) in zip(phonemes, [*phonemes[1:], (count / FPS, "")]):
        rows[int(begin * FPS) : int(end * FPS)] = openness(phoneme)
    return np.convolve(rows, np.hanning(9) / np.hanning(9).sum(), "same")


def correlation(a, b, lag):
    """Of a, `lag` rows late, with b."""
    a, b = (a[lag:], b[: len(b) - lag]) if lag >= 0 else (a[:lag], b[-lag:])
    return np.corrcoef(a, b)[0, 1]


class Lips(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        espeak = Espeak()
        cls.spoken = []
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "voices").mkdir()
            said = {}
            for voice in VOICES:
                for number, text in enumerate(SENTENCES):
                    rate, pcm, phonemes = espeak(text, voice)
                    said[f"{voice}_{number}"] = phonemes
                    with wave.open(str(folder / "voices" / f"{voice}_{number}.wav"), "wb") as sound:
                        sound.setparams((1, 2, rate, 0, "NONE", ""))
                        sound.writeframes(pcm.tobytes())
            command = [ROOT / "build/bin/emoengine", "aus", "--audio", folder / "voices", "--per-frame", "--fps", FPS]
            subprocess.run([*map(str, command), "-q", "-o", folder / "tables"], check=True)
            for name, phonemes in said.items():
                with open(folder / "tables" / f"{name}.csv", newline="") as table:
                    rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(table)]
                # No emotion's prototype has AU25: what it shows is the lips', 0.6 when wide open, on OpenFace's scale of 5.
                cls.spoken.append((name, phonemes, np.array([float(row["AU25_r"]) for row in rows]) / 5 / 0.6))

    def during(self, wanted, summary):
        """summary() of the opening during each phoneme that is wanted; lips come 25 ms early."""
        values = []
        for _, phonemes, opening in self.spoken:
            for (begin, phoneme), (end, _) in zip(phonemes, phonemes[1:]):
                rows = opening[max(0, int(begin * FPS) - 2) : max(1, int(end * FPS) - 2)]
                if wanted(phoneme) and len(rows):
                    values.append(summary(rows))
        self.assertGreater(len(values), 100)
        return np.array(values)

    def test_opening_follows_the_phonemes_in_time(self):
        for name, phonemes, opening in self.spoken:
            want = reference(phonemes, len(opening))
            by_lag = {lag: correlation(opening, want, lag) for lag in range(-12, 13)}
            lag = max(by_lag, key=by_lag.get)
            self.assertGreaterEqual(by_lag[lag], 0.7, name)
            self.assertLessEqual(abs(lag / FPS), 0.04, name)

    def test_bilabials_shut_the_mouth(self):
        least = self.during(lambda phoneme: phoneme in SHUT, np.min)
        self.assertLess(np.median(least), 0.2)
        self.assertLess(np.percentile(least, 90), 0.35)

    def test_vowels_open_it(self):
        most = self.during(lambda phoneme: openness(phoneme) == 1, np.max)
        self.assertGreater(np.median(most), 0.7)
        self.assertGreater(np.percentile(most, 10), 0.5)


if __name__ == "__main__":
    unittest.main()
