"""Tests of tools/training/{common,speech_*,train_speech,evaluate_speech,measure_speech}.py on made-up data, a minute on one core.

  python3 -m unittest discover -s tests/training -p 'test_speech.py'

They run with torch 1.13 and without torchaudio, soundfile and espeak-ng; what needs one of these is skipped without it.
"""
import contextlib
import dataclasses
import io
import json
import math
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "training"))

import common
import evaluate_speech
import measure_speech
import speech_data
import speech_features
import speech_model
import speech_signals
import train_speech
from common import AU_NAMES, AU_NUMBERS, EMOTIONS, TrainingError, prototype, read_emotions, sharpened
from speech_augment import augment, reached
from speech_data import Clip
from speech_features import SpeechConfig

try:
    import torchaudio
except Exception:  # not installed, or built for another torch
    torchaudio = None
try:
    import soundfile
except (ImportError, OSError):
    soundfile = None


def config(**changes):
    c = SpeechConfig(**{**dict(lstm_hidden=5, lstm_layers=2, voice_change_db=0), **changes})
    c.feature_mean = [0.1 * i for i in range(c.features())]
    c.feature_std = [1 + 0.2 * i for i in range(c.features())]
    return c


def tones():
    """A config for sounds that are no voice, as toy clips are."""
    return SpeechConfig(voice_change_db=0)


def voice(seconds=1.0, level=0.1, seed=0):
    """Harmonics of a gliding pitch under a moving formant, with a little noise."""
    t = torch.arange(int(16_000 * seconds)) / 16_000
    pitch_hz = 140 + 30 * torch.sin(2 * math.pi * 3 * t)
    phase, formant_hz = 2 * math.pi * pitch_hz.cumsum(0) / 16_000, 900 + 500 * torch.sin(2 * math.pi * 2 * t)
    pcm = sum(torch.exp(-((n * pitch_hz - formant_hz) / 300) ** 2) * torch.sin(n * phase) for n in range(1, 30))
    return level * pcm + 1e-4 * torch.randn(len(t), generator=torch.Generator().manual_seed(seed))


def sound(hz, seconds=0.8, level=0.3, seed=0):
    """A tone that swells, with a little noise."""
    t = torch.arange(int(16_000 * seconds)) / 16_000
    hiss = torch.randn(len(t), generator=torch.Generator().manual_seed(seed))
    return level * torch.sin(2 * math.pi * hz * t) * torch.sin(math.pi * t / seconds) + 1e-3 * hiss


def toy_clips(per_speaker=3):
    """Clips of two speakers whose emotion is plain to hear: the tone's pitch; strong ones are longer."""
    clips = []
    for s, speaker in enumerate(["01", "02"]):
        for e, emotion in enumerate(["neutral", "happiness", "anger"]):
            for i in range(per_speaker):
                for strength, intensity in ((1, 0.6), (2, 1.0)):
                    if emotion == "neutral" and strength == 2:
                        continue
                    pcm = sound(200 * 3 ** e * (1 + 0.05 * s), 0.4 + 0.3 * strength, seed=i)
                    mel = speech_features.trimmed_log_mel(pcm, tones()).half()
                    clips.append(Clip(f"{speaker}-{emotion}-{i}-{strength}", speaker, prototype(emotion, intensity),
                                      f"{emotion}-{i}-{speaker}", strength, mels=[mel, mel + 1]))
    return clips


def options(out, **changes):
    return train_speech.Options(**{**dict(data="toy", out=str(out), epochs=4, batch=8, hidden=8, layers=1, stride=3, voice_change_db=0,
                                          members=1), **changes})


class InTempDir(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        torch.set_num_threads(1)

    def assertFails(self, text, call, *args, **kwargs):
        with self.assertRaises(TrainingError) as caught:
            call(*args, **kwargs)
        self.assertIn(text, str(caught.exception))


class CommonTest(InTempDir):
    def test_reading_is_the_smallest_residual(self):
        au = torch.rand(200, 17, generator=torch.Generator().manual_seed(1)) * 1.3 - 0.1
        for row, index in zip(au, read_emotions(au).tolist()):
            row = row.clamp(0, 1)
            residuals = []
            for name in EMOTIONS[1:]:
                p = prototype(name)
                residuals.append((row - p * (row @ p) / (p @ p)).norm().item())
            self.assertEqual(index, 0 if row.norm() < 0.5 else 1 + residuals.index(min(residuals)))

    def test_every_prototype_reads_as_itself(self):
        for strength in (0.6, 1.0):
            au = torch.stack([prototype(name, strength) for name in EMOTIONS])
            self.assertEqual(read_emotions(au).tolist(), list(range(7)))

    def write_openface(self, rows, columns=None):
        columns = columns or ["frame", " timestamp", " success", *(f" {name}_r" for name in reversed(AU_NAMES)), " AU01_c"]
        (self.dir / "a.csv").write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
        return self.dir / "a.csv"

    def test_sharpened_agrees_with_the_sum_written_out(self):
        au = torch.rand(50, 17, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 0.6, 50)[:, None]
        for row, result in zip(au, sharpened(au, 16)):
            terms = [(math.exp(16 * float(row @ p) / float(p.norm())), p / p.norm()) for p in map(prototype, EMOTIONS[1:])]
            total = math.exp(16 * 0.5) + sum(weight for weight, _ in terms)
            expected = row.norm() * sum(weight * p for weight, p in terms) / total
            torch.testing.assert_close(result, expected.clamp(max=1), atol=1e-5, rtol=0)

    def test_sharpened_keeps_a_clear_emotion_and_drops_the_weaker_of_two(self):
        anger, smile = prototype("anger", 0.8), prototype("happiness", 0.5)
        result = sharpened(torch.stack([anger, anger + smile]), 16)
        torch.testing.assert_close(result[0], anger, atol=0.01, rtol=0)
        self.assertLess(result[1, AU_NUMBERS.index(12)], 0.01)
        self.assertGreater(result[1, AU_NUMBERS.index(4)], 0.8)

    def test_sharpened_by_nothing_and_of_nothing(self):
        au = torch.rand(3, 17)
        self.assertIs(sharpened(au, 0), au)
        self.assertLess(float(sharpened(torch.zeros(2, 17), 16).abs().max()), 1e-6)

    def test_openface_values_are_fifths_of_frames_with_a_face(self):
        last_first = list(range(17, 0, -1))  # of AU45 .. AU01
        path = self.write_openface([[1, 0, 1, *(v / 4 for v in last_first), 1], [2, 0, 0, *[5] * 17, 1], [3, 0, 1, *[0] * 17, 1]])
        au = common.read_openface(path)
        self.assertEqual(au.shape, (2, 17))
        torch.testing.assert_close(au[0], torch.arange(1, 18) / 20)

    def test_openface_errors_name_file_and_line(self):
        self.assertFails("no column AU01_r", common.read_openface, self.write_openface([], ["frame", "AU02_r"]))
        self.assertFails("line 2: a value is missing or no number", common.read_openface,
                         self.write_openface([[1, 0, 1, *["x"] * 18]]))
        self.assertFails("line 2: an AU is outside 0..5", common.read_openface, self.write_openface([[1, 0, 1, *[6] * 18]]))
        self.assertFails("line 2: an AU is outside 0..5", common.read_openface, self.write_openface([[1, 0, 1, *["nan"] * 18]]))
        self.assertFails("no frame with a face", common.read_openface, self.write_openface([[1, 0, 0, *[1] * 18]]))
        self.assertFails("cannot be read", common.read_openface, self.dir / "none.csv")

    def test_a_failed_write_keeps_the_old_file(self):
        path = self.dir / "x.json"
        common.write_json(path, {"a": 1})
        with self.assertRaises(TypeError):
            common.write_json(path, {"a": object()})
        self.assertEqual(path.read_text(), '{\n "a": 1\n}\n')
        self.assertEqual([p.name for p in self.dir.iterdir()], ["x.json"])
        self.assertFails("cannot be written", common.write_json, path / "y.json", 1)

    def test_checkpoints_come_back_as_they_were(self):
        state = {"recipe": "speech", "rate": 0.1, "groups": [{"betas": (0.9, 0.999), "name": None, "on": True}],
                 "x": torch.ones(2), "step": torch.tensor(3.0)}
        common.save_checkpoint(self.dir / "state.pth", state)
        back = common.load_checkpoint(self.dir / "state.pth", "speech")
        self.assertEqual(repr(back), repr(state))

    def test_checkpoint_errors(self):
        path = self.dir / "state.pth"
        self.assertFails("no such checkpoint", common.load_checkpoint, path, "speech")
        common.save_checkpoint(path, {"recipe": "face"})
        self.assertFails("a checkpoint of 'face', not of 'speech'", common.load_checkpoint, path, "speech")
        common.save_checkpoint(path, {"recipe": "speech", "x": torch.zeros(1000)})
        whole = path.read_bytes()
        for damaged in (whole[:len(whole) // 2], b"", b"no checkpoint"):
            path.write_bytes(damaged)
            self.assertFails("not a readable checkpoint", common.load_checkpoint, path, "speech")

    def test_run_prints_one_line(self):
        def main():
            raise TrainingError("here: this came")
        with self.assertRaises(SystemExit) as caught:
            common.run(main)
        self.assertEqual(caught.exception.code, "error: here: this came")


class FeaturesTest(unittest.TestCase):
    def test_log_mel_is_a_filterbank_over_a_dft(self):
        pcm, c, frame = sound(440), tones(), 20
        start = frame * 160 - 200
        n = torch.arange(400, dtype=torch.float64)
        windowed = pcm[start:start + 400].double() * (0.5 - 0.5 * torch.cos(2 * math.pi * n / 400))
        angle = 2 * math.pi / 512 * torch.arange(257, dtype=torch.float64)[:, None] * n
        power = (windowed * torch.cos(angle)).sum(1) ** 2 + (windowed * torch.sin(angle)).sum(1) ** 2
        mel = [2595 * math.log10(1 + 8000 / 700) * i / 65 for i in range(66)]
        edge = [700 * (10 ** (m / 2595) - 1) for m in mel]
        for band in range(64):
            low, peak, high = edge[band:band + 3]
            total = sum(max(0.0, min((hz - low) / (peak - low), (high - hz) / (high - peak))) * p
                        for hz, p in ((8000 / 256 * k, power[k].item()) for k in range(257)))
            # fp32 against fp64: the strongest band is 60 dB over the weakest, whose digits it eats
            self.assertAlmostEqual(speech_features.log_mel(pcm, c)[frame, band].item(), 10 * math.log10(max(total, 1e-10)),
                                   delta=0.02)

    @unittest.skipUnless(torchaudio, "torchaudio is not installed")
    def test_mfcc_is_torchaudios(self):
        mel = dict(n_fft=512, win_length=400, hop_length=160, n_mels=64)
        for pcm in (sound(440), sound(90, 2.0), 1e-4 * torch.randn(3000, generator=torch.Generator().manual_seed(3))):
            mel_db = speech_features.log_mel(pcm, SpeechConfig())
            ours = speech_features.mfcc(mel_db.clamp(min=mel_db.max().item() - 80), SpeechConfig())
            theirs = torchaudio.transforms.MFCC(16_000, 39, log_mels=False, melkwargs=mel)(pcm).T
            # 64 terms of some 80 dB, each off by fp32's rounding of a log: 64 * 80 * 2^-23 and the same of the filterbank
            torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-3)

    @unittest.skipUnless(torchaudio, "torchaudio is not installed")
    def test_slopes_are_torchaudios(self):
        x = torch.randn(9, 4, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(speech_features.slopes(x), torchaudio.functional.compute_deltas(x.T).T)

    def test_trimming_keeps_speech_and_padding(self):
        pcm = torch.cat([torch.zeros(8000), sound(300), torch.zeros(8000)])
        c = SpeechConfig()
        begin, end = speech_features.speech_rows(pcm, c, 1 + len(pcm) // 160)
        energy = [pcm[i * 160:i * 160 + 400].double().pow(2).mean().item() for i in range((len(pcm) - 400) // 160 + 1)]
        loud = [i for i, e in enumerate(energy) if e >= max(energy) * 1e-3]
        self.assertEqual((begin, end), (loud[0] - 5, loud[-1] + 5))

    def test_trimmed_by_nothing_the_loudest_windows_are_kept(self):
        pcm = torch.cat([torch.zeros(1600), torch.full((1600,), 0.5), torch.zeros(1600)])
        loud = [i for i in range(28) if i * 160 >= 1600 and i * 160 + 400 <= 3200]
        rows = speech_features.speech_rows(pcm, SpeechConfig(trim_db=0, trim_pad_frames=0), 31)
        self.assertEqual(rows, (loud[0], loud[-1]))

    def test_silence_has_no_speech(self):
        for pcm in (torch.zeros(16_000), torch.full((50,), 1e-6)):
            self.assertIsNone(speech_features.trimmed_log_mel(pcm, tones()))

    def test_gain_changes_nothing_when_the_mean_is_subtracted(self):
        c = config()
        a, b = (speech_features.network_input(speech_features.trimmed_log_mel(pcm, c), c) for pcm in (sound(300), sound(300) / 4))
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)

    def test_a_padded_batch_is_its_clips(self):
        mels = [speech_features.trimmed_log_mel(sound(300, s), tones()) for s in (0.3, 0.7, 0.41)]
        for changes in ({}, dict(utterance_mean_subtracted=False, frame_stride=3), dict(n_mfcc=13, deltas=True)):
            for first in (0, 1):
                c = config(**changes)
                x, lengths = speech_model.batch_input(*speech_model.pad_mels(mels), c, first)
                for row, n, mel in zip(x, lengths.tolist(), mels):
                    alone = speech_features.network_input(mel, c, first)
                    self.assertEqual(n, len(alone))
                    torch.testing.assert_close(row[:n], alone, rtol=1e-4, atol=1e-3)


class VoiceActivityTest(unittest.TestCase):
    def reading(self, pcm):
        c = SpeechConfig()
        return speech_features.voice_activity(speech_features.log_mel(pcm, c), c)

    def test_a_click_a_beep_and_silence_change_nothing(self):
        rest = 1e-4 * torch.randn(16_000, generator=torch.Generator().manual_seed(1))
        click, beep = torch.zeros(1600), 0.5 * torch.sin(2 * math.pi * 0.06 * torch.arange(4800))
        click[200:360] = 1
        kept, level = self.reading(torch.cat([rest, voice(), rest]))
        self.assertTrue(95 < kept.sum() < 130)
        for before in (click, beep, torch.zeros(48_000)):
            other, other_level = self.reading(torch.cat([before, rest, voice(), rest]))
            self.assertTrue(torch.equal(other[len(before) // 160:], kept))
            self.assertFalse(other[:len(before) // 160].any())
            self.assertEqual(other_level, level)

    def test_tones_noise_and_silence_hold_no_voice(self):
        noise = 0.1 * torch.randn(32_000, generator=torch.Generator().manual_seed(1))
        for pcm in (0.5 * torch.sin(0.1 * torch.arange(32_000)), noise, torch.zeros(16_000), torch.ones(3)):
            self.assertIsNone(self.reading(pcm)[1])

    def test_gain_changes_nothing(self):
        c = SpeechConfig()
        a, b = (speech_features.trimmed_log_mel(voice() * gain, c) for gain in (1, 1 / 4))
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)

    def test_live_features_do_not_know_what_comes_later(self):
        c = config(voice_change_db=2.5)
        long = torch.cat([1e-4 * torch.randn(8000), voice(), torch.zeros(4000), voice(0.5, seed=2)])
        x, frames = speech_features.live_input(long, c)
        self.assertGreater(len(x), 50)
        part, part_frames = speech_features.live_input(long[:16_000], c)
        known = [f for f in part_frames if f < 100 - speech_features.REACH - c.trim_pad_frames - 2]
        self.assertGreater(len(known), 10)
        self.assertEqual(frames[:len(known)], known)
        torch.testing.assert_close(x[:len(known)], part[:len(known)])

    def test_a_stream_that_has_all_of_a_clip_hears_as_the_clip_does(self):
        c = SpeechConfig(top_db=35)
        rest = 1e-4 * torch.randn(8000, generator=torch.Generator().manual_seed(3))
        pcm = torch.cat([rest, 0.2 * voice(), rest, voice(seed=2), rest])
        live, at = speech_features.live_log_mel(pcm, c)
        whole = speech_features.trimmed_log_mel(pcm, c)
        torch.testing.assert_close(live[-20:, 0], whole[-20:], rtol=0, atol=1e-4)
        torch.testing.assert_close(live[-1, 1], whole.mean(0), rtol=0, atol=1e-4)
        self.assertGreater(len(live), 170)
        self.assertEqual(len(at), len(live))

    def test_a_stream_forgets_what_came_more_than_600_frames_ago(self):
        c = SpeechConfig(top_db=35)
        rest = 1e-4 * torch.randn(96_000, generator=torch.Generator().manual_seed(3))
        a, b = ([row for row, frame in zip(*speech_features.live_log_mel(torch.cat([level * voice(), rest, voice(seed=2)]), c))
                 if frame > 720] for level in (1, 0.3))
        self.assertGreater(len(a), 70)
        torch.testing.assert_close(torch.stack(a), torch.stack(b))

    def test_a_padded_batch_of_streams_is_its_streams(self):
        c = config(voice_change_db=2.5)
        pcms = [voice(), voice(0.5, seed=2)]
        lives = [speech_features.live_log_mel(pcm, c)[0] for pcm in pcms]
        mel, lengths = speech_model.pad_mels(lives)
        x, lengths = speech_model.batch_input(mel[:, :, 0], lengths, c, live=torch.tensor([True, True]), means=mel[:, :, 1])
        for row, n, pcm in zip(x, lengths.tolist(), pcms):
            torch.testing.assert_close(row[:n], speech_features.live_input(pcm, c)[0], rtol=1e-4, atol=1e-3)

    def test_live_aus_follow_the_clips(self):
        torch.manual_seed(0)
        model = speech_model.SpeechModel(config(voice_change_db=2.5)).eval()
        pcm = torch.cat([torch.zeros(8000), voice(), torch.zeros(48_000)])
        aus = speech_model.live_aus(model, pcm + 1e-3 * torch.randn(len(pcm)), 25)
        self.assertEqual(aus.shape, (113, 17))
        heard = aus.abs().sum(1) > 0
        self.assertTrue(heard[16:85].all())
        self.assertFalse(heard[95:].any())  # 2 s after the voice's end


class SignalsTest(unittest.TestCase):
    def setUp(self):
        self.generator = torch.Generator().manual_seed(5)

    def test_noise_has_the_asked_level(self):
        pcm = sound(300, 2.0)
        for slope in (0.0, 0.5, 1.0):
            noise = speech_signals.with_noise(pcm, 10, self.generator, slope) - pcm
            self.assertAlmostEqual(10 * math.log10((pcm.pow(2).sum() / noise.pow(2).sum()).item()), 10, places=3)

    def test_telephone_keeps_the_middle(self):
        def level_db(hz):
            pcm = sound(hz, 1.0, 0.3)
            return 10 * math.log10((speech_signals.telephone(pcm).pow(2).sum() / pcm.pow(2).sum()).item())
        self.assertGreater(level_db(1000), -0.1)
        self.assertLess(level_db(100), -30)
        self.assertLess(level_db(6000), -15)

    def test_echo_decays_by_60_db(self):
        click = torch.zeros(16_000)
        click[0] = 1
        room = speech_signals.with_echo(click, 0.5, 0, self.generator)
        early, late = room[100:900].pow(2).mean(), room[7000:7800].pow(2).mean()
        self.assertAlmostEqual(10 * math.log10((early / late).item()), 60 * 6900 / 8000, delta=2)

    def test_resampling_keeps_a_tone(self):
        t = torch.arange(22_050) / 22_050
        out = speech_signals.resample(torch.sin(2 * math.pi * 440 * t), 22_050)
        torch.testing.assert_close(out, torch.sin(2 * math.pi * 440 * torch.arange(16_000) / 16_000), rtol=0, atol=1e-3)

    def test_no_speech_repeats_and_is_heard(self):
        for name in speech_signals.NO_SPEECH:
            a, b = (speech_signals.no_speech(name, torch.Generator().manual_seed(2)) for _ in range(2))
            self.assertTrue(torch.equal(a, b))
            self.assertTrue(a.isfinite().all() and 0.05 <= a.abs().max() <= 0.9 + 1e-6)

    @unittest.skipUnless(soundfile and speech_signals.has_espeak(), "espeak-ng or soundfile is not installed")
    def test_espeak_speaks_in_styles(self):
        fast, slow = (speech_signals.espeak("One, two & three.", speech_signals.STYLES[k]) for k in ("fear", "sadness"))
        self.assertLess(len(fast), len(slow))
        self.assertGreater(slow.abs().max(), 0.05)
        with self.assertRaises(TrainingError):
            with mock.patch("subprocess.run", side_effect=FileNotFoundError("espeak-ng")):
                speech_signals.espeak("One.", speech_signals.Style())


class AugmentTest(unittest.TestCase):
    def test_lengths_and_values(self):
        mel = torch.rand(6, 50, 1, 64) * 40 - 60
        lengths = torch.tensor([50, 40, 30, 20, 10, 5])
        out, new = augment(mel, lengths, torch.Generator().manual_seed(0))
        self.assertEqual(out.shape, (6, int(new.max()), 1, 64))
        self.assertTrue(out.isfinite().all())
        self.assertTrue(((new >= lengths * 0.85 - 1) & (new <= lengths * 1.15 + 1)).all())

    def test_amount_zero_changes_nothing(self):
        mel, lengths = torch.rand(2, 40, 1, 64) * 40 - 60, torch.tensor([40, 30])
        out, new = augment(mel, lengths, torch.Generator().manual_seed(0), amount=0.0)
        self.assertTrue(torch.equal(new, lengths))
        torch.testing.assert_close(out[1, :30], mel[1, :30], rtol=0, atol=1e-3)

    def test_nothing_lies_further_under_the_maximum_than_top_db(self):
        mel, lengths = torch.rand(4, 40, 1, 64) * 90 - 90, torch.tensor([40, 30, 20, 40])
        out, new = augment(mel, lengths, torch.Generator().manual_seed(3), top_db=35)
        for clip, n in zip(out, new):
            self.assertAlmostEqual((clip[:n].max() - clip[:n].min()).item(), 35, delta=1e-3)

    def test_levels_are_relative_to_what_the_loudest_frames_reach(self):
        mel, lengths = torch.rand(2, 60, 1, 64) * 90 - 90, torch.tensor([60, 50])
        out, new = augment(mel, lengths, torch.Generator().manual_seed(3), top_db=35, level_frames=5)
        for clip, n in zip(out, new):
            self.assertAlmostEqual(clip[:n].amax((1, 2)).sort(descending=True).values[4].item(), 0, delta=1e-3)
            self.assertAlmostEqual(clip[:n].min().item(), -35, delta=1e-3)

    def test_streams_keep_their_level_and_their_means_go_along(self):
        mel, lengths = torch.rand(2, 60, 2, 64) * 30 - 40, torch.tensor([60, 50])
        mel[:, :, 1] = mel[:, :, 0]
        before = reached(mel[:, :, 0], lengths, 5)
        out, new = augment(mel, lengths, torch.Generator().manual_seed(3), top_db=60, level_frames=5, live=torch.tensor([True, False]))
        after = reached(out[:, :, 0], new, 5)
        torch.testing.assert_close(after, torch.tensor([before[0], 0]), rtol=0, atol=1e-4)
        self.assertLess((out[:, :, 0] - out[:, :, 1]).abs().mean(), 3)  # the floor of noise is uneven in the clips alone

    def test_padding_is_not_heard(self):
        mel, lengths = torch.rand(2, 40, 1, 64) * 40 - 60, torch.tensor([40, 30])
        other = mel.clone()
        other[1, 30:] = 1000
        for seed in range(5):
            a, n = augment(mel, lengths, torch.Generator().manual_seed(seed))
            b, _ = augment(other, lengths, torch.Generator().manual_seed(seed))
            torch.testing.assert_close(a[1, :n[1]], b[1, :n[1]])


class DataTest(InTempDir):
    def test_ravdess_names(self):
        clip = speech_data.ravdess_clip(pathlib.Path("x/03-01-06-02-01-02-17.flac"))
        self.assertEqual((clip.speaker, clip.pair, clip.strength), ("17", "06-01-02-17", 2))
        torch.testing.assert_close(clip.target, prototype("fear"))
        self.assertEqual(speech_data.ravdess_clip(pathlib.Path("03-01-02-02-01-02-17.wav")).target.sum(), 0)
        self.assertIsNone(speech_data.ravdess_clip(pathlib.Path("03-01-09-02-01-02-17.wav")))
        self.assertIsNone(speech_data.ravdess_clip(pathlib.Path("hello.wav")))

    def test_missing_data(self):
        self.assertFails("no sound or video files", speech_data.find_clips, self.dir)
        (self.dir / "hello.wav").touch()
        self.assertFails("has no hello.csv beside it and no RAVDESS name", speech_data.find_clips, self.dir)

    def test_openface_beside_a_clip_gives_its_mean(self):
        (self.dir / "anna").mkdir()
        (self.dir / "anna" / "hello.mp4").touch()
        header = ",".join(f"{name}_r" for name in AU_NAMES)
        (self.dir / "anna" / "hello.csv").write_text(f"{header}\n{','.join(['1'] * 17)}\n{','.join(['2'] * 17)}\n")
        [(_, clip)] = speech_data.find_clips(self.dir)
        self.assertEqual((clip.speaker, clip.pair), ("anna", ""))
        torch.testing.assert_close(clip.target, torch.full((17,), 0.3))

    def test_a_table_of_clips(self):
        rows = ["file,corpus,language,speaker,sex,emotion,heard,level", "a.opus,x,en,anna,female,anger,fear|anger,50",
                "b.opus,x,en,bob,male,happiness,neutral,", "c.opus,y,de,carl,male,sadness,,"]
        (self.dir / "clips.csv").write_text("\n".join(rows))
        found = speech_data.find_clips([self.dir])
        self.assertEqual([path.name for path, _ in found], ["a.opus", "b.opus", "c.opus"])
        self.assertEqual([EMOTIONS[clip.emotion] for _, clip in found], ["anger", "neutral", "sadness"])
        self.assertEqual([(clip.speaker, clip.corpus) for _, clip in found], [("anna", "x"), ("bob", "x"), ("carl", "y")])
        self.assertEqual([path.name for path, _ in speech_data.find_clips(self.dir, ("y",))], ["c.opus"])
        self.assertFails("lists no clips of z", speech_data.find_clips, self.dir, ("z",))
        (self.dir / "clips.csv").write_text("\n".join([*rows, "d.opus,y,de,dora,female,boredom,,"]))
        self.assertFails("clips.csv: line 5: file, corpus, speaker and an emotion (neutral", speech_data.find_clips, self.dir)

    def test_videos_need_ffmpeg(self):
        with mock.patch.dict(sys.modules, soundfile=mock.Mock()), mock.patch("shutil.which", return_value=None):
            self.assertFails("needs ffmpeg", speech_data.load_pcm, self.dir / "a.mp4")

    @unittest.skipUnless(soundfile, "soundfile is not installed")
    def test_bad_sound_files(self):
        (self.dir / "03-01-01-01-01-01-01.wav").write_bytes(b"no sound")
        self.assertFails("not a readable sound file", speech_data.load_clips, self.dir, tones(), 0, 0, False)
        soundfile.write(self.dir / "03-01-01-01-01-01-01.wav", torch.zeros(8000).numpy(), 16_000)
        self.assertFails("no speech is found in any clip", speech_data.load_clips, self.dir, tones(), 0, 0, False)

    @unittest.skipUnless(soundfile, "soundfile is not installed")
    def test_cache_is_read_and_made_anew(self):
        soundfile.write(self.dir / "03-01-03-01-01-01-01.wav", sound(300).numpy(), 16_000)
        cache = self.dir / "cache.pt"

        def load(seed=0):
            return speech_data.load_clips(self.dir, tones(), 2, seed, False, cache)
        first = load()
        with mock.patch.object(speech_data, "load_pcm", side_effect=AssertionError("the cache was not used")):
            again = load()
        self.assertTrue(all(torch.equal(a, b) for a, b in zip(first[0].mels, again[0].mels)))
        self.assertEqual(len(first[0].mels), 3)
        self.assertFalse(torch.equal(load(seed=1)[0].mels[1], first[0].mels[1]))

        def key():
            load()
            return torch.load(cache)["key"]
        keys = {key()}
        with mock.patch.object(speech_data, "SENTENCES", ["One."]):
            keys.add(key())
        os.utime(self.dir / "03-01-03-01-01-01-01.wav", (1, 1))
        keys.add(key())
        self.assertEqual(len(keys), 3)
        cache.write_bytes(b"damaged")
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertTrue(torch.equal(load()[0].mels[1], first[0].mels[1]))
        self.assertIn("made anew", said.getvalue())

    def test_folds_part_the_speakers(self):
        clips = [Clip("", f"{i:02}", torch.zeros(17)) for i in range(1, 8)]
        folds = speech_data.fold_speakers(clips, 3)
        self.assertEqual(sum(folds, []), [f"{i:02}" for i in range(1, 8)])
        self.assertEqual([len(fold) for fold in folds], [3, 2, 2])
        self.assertFails("8 folds are asked", speech_data.fold_speakers, clips, 8)


class ModelTest(InTempDir):
    def test_a_clip_does_not_hear_its_batch(self):
        for changes in (dict(bidirectional=True), dict(), dict(readout="last"), dict(readout="last", bidirectional=True)):
            torch.manual_seed(0)
            model = speech_model.SpeechModel(config(**changes)).eval()
            mels = [speech_features.trimmed_log_mel(sound(300, s), model.config) for s in (0.3, 0.7, 0.41)]
            alone = torch.cat([speech_model.predict(model, [mel]) for mel in mels])
            torch.testing.assert_close(speech_model.predict(model, mels), alone, rtol=0, atol=1e-5)

    def test_windows_average_their_states(self):
        model = speech_model.SpeechModel(config()).eval()
        x, lengths = torch.randn(2, 30, 39), torch.tensor([30, 20])
        states = model.lstm(x)[0]
        expected = model.fc(torch.stack([states[0, 3:9].mean(0), states[1, :20].mean(0)]))
        torch.testing.assert_close(model(x, lengths, torch.tensor([[3, 9], [0, 20]]))[0], expected)

    def test_merged_models_answer_with_their_mean(self):
        for layers in (1, 2):
            models = [speech_model.SpeechModel(dataclasses.replace(config(), lstm_layers=layers)).eval() for _ in range(3)]
            together = speech_model.merged(models)
            self.assertEqual(together.config.lstm_hidden, 3 * models[0].config.lstm_hidden)
            x, lengths = torch.randn(2, 30, 39), torch.tensor([30, 20])
            for got, *expected in zip(together(x, lengths), *(model(x, lengths) for model in models)):
                torch.testing.assert_close(got, sum(expected) / 3)

    def test_stretched_answers_are_as_many_times_as_far_from_the_threshold_of_neutral(self):
        model = speech_model.SpeechModel(config()).eval()
        x, lengths = torch.randn(3, 20, model.config.features()), torch.tensor([20, 12, 5])
        shown = lambda: model(x, lengths)[0].detach() @ common.unit_prototypes().T - common.NEUTRAL_NORM
        before = shown()
        speech_model.stretched(model, 1.5)
        torch.testing.assert_close(shown(), 1.5 * before)

    def test_lifted_answers_are_longer_along_the_prototype_alone(self):
        model = speech_model.SpeechModel(config()).eval()
        x, lengths = torch.randn(3, 20, model.config.features()), torch.tensor([20, 12, 5])
        before = model(x, lengths)[0].detach()
        change = speech_model.lifted(model, {"sadness": 0.3})(x, lengths)[0] - before
        torch.testing.assert_close(change, (prototype("sadness") * 0.3 / 3 ** 0.5).expand(3, -1))

    def test_export_holds_what_the_engine_runs(self):
        model = speech_model.SpeechModel(config()).eval()
        speech_model.export(model, self.dir / "m.pth", self.dir / "m.json")
        names = set(torch.load(self.dir / "m.pth"))
        self.assertEqual(names, {f"lstm.{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                                 for layer in (0, 1)} | {"fc.weight", "fc.bias"})
        mel = [speech_features.trimmed_log_mel(sound(300), model.config)]
        again = speech_model.load_export(self.dir / "m.pth")
        torch.testing.assert_close(speech_model.predict(again, mel), speech_model.predict(model, mel))

    def test_a_converted_weight_file_is_read(self):
        model = speech_model.SpeechModel(config()).eval()
        tensors = {name: t.half() for name, t in model.state_dict().items() if not name.startswith("emotion.")}
        header, data = {"__metadata__": {"emoengine": json.dumps({"format": 1, **dataclasses.asdict(model.config)})}}, b""
        for name, t in tensors.items():
            header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [len(data), len(data) + 2 * t.numel()]}
            data += t.numpy().tobytes()
        text = json.dumps(header).encode()
        (self.dir / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
        again = speech_model.load_export(self.dir / "m.safetensors")
        self.assertEqual(again.config, model.config)
        for name, t in tensors.items():
            self.assertTrue(torch.equal(again.state_dict()[name], t.float()), name)
        (self.dir / "m.safetensors").write_bytes(b"half a file")
        self.assertFails("m.safetensors: not a speech model", speech_model.load_export, self.dir / "m.safetensors")

    def test_export_refuses_nan(self):
        model = speech_model.SpeechModel(config())
        model.fc.bias.data[3] = math.nan
        self.assertFails("fc.bias holds NaN", speech_model.export, model, self.dir / "m.pth", self.dir / "m.json")
        self.assertEqual(list(self.dir.iterdir()), [])

    def test_load_export_errors(self):
        self.assertFails("m.pth: not a speech model, .safetensors or .pth with its .json beside it", speech_model.load_export, self.dir / "m.pth")
        common.save_checkpoint(self.dir / "m.pth", {"lstm.weight_ih_l0": torch.zeros(3)})
        common.write_json(self.dir / "m.json", dataclasses.asdict(config()))
        self.assertFails("not a speech model", speech_model.load_export, self.dir / "m.pth")


class TrainingTest(InTempDir):
    @classmethod
    def setUpClass(cls):
        cls.clips = toy_clips()

    def test_batches_hold_each_clip_once(self):
        lists = train_speech.batches(self.clips, 7, torch.Generator().manual_seed(0))
        self.assertEqual(sorted(sum(lists, [])), list(range(len(self.clips))))
        self.assertEqual({len(batch) for batch in lists[:-1]}, {7})

    def test_a_balanced_epoch_has_as_many_clips_of_each_emotion_of_each_corpus(self):
        clips = [Clip("", "1", prototype(emotion), corpus=corpus) for corpus, emotion, count in
                 (("x", "anger", 9), ("x", "fear", 2), ("y", "anger", 3)) for _ in range(count)]
        clips.append(Clip("", "none", prototype("neutral"), kind="other"))
        drawn = train_speech.balanced(clips, 4, torch.Generator().manual_seed(0))
        self.assertEqual([sum(first <= i < last for i in drawn) for first, last in ((0, 9), (9, 11), (11, 14), (14, 15))], [4, 4, 4, 1])
        self.assertEqual(len({i for i in drawn if i < 9}), 4)
        self.assertEqual(train_speech.balanced(clips, 0, torch.Generator()), list(range(15)))

    def test_a_share_of_the_clips_is_heard_as_streams_with_the_means_of_their_frames(self):
        settings = options("", live_share=1, voice_change_db=2.5, hidden=4)
        pcm = torch.cat([1e-4 * torch.randn(8000, generator=torch.Generator().manual_seed(3)), voice()])
        clips = [Clip(str(i), "01", prototype("anger"), mels=[speech_features.trimmed_log_mel(pcm, settings.speech_config()).half()],
                      live=[speech_features.live_log_mel(pcm, settings.speech_config())[0].half()] * i) for i in (0, 1)]
        training = train_speech.Training(settings, clips)
        with mock.patch.object(train_speech, "batch_input", side_effect=speech_model.batch_input) as heard:
            training.batch_loss(clips)
        (mel, lengths, _, _, live, means), _ = heard.call_args
        self.assertEqual(live.tolist(), [False, True])
        self.assertEqual(lengths.tolist(), [len(clips[0].mels[0]), len(clips[1].live[0])])
        for got, kept in ((mel[0], clips[0].mels[0]), (mel[1], clips[1].live[0][:, 0]), (means[1], clips[1].live[0][:, 1])):
            torch.testing.assert_close(got[:len(kept)], kept.float(), rtol=0, atol=0.05)  # of fp16, and of a level found anew

    def test_pairs_are_normal_then_strong_of_one_emotion(self):
        emotion, strength = (torch.tensor([getattr(clip, name) for clip in self.clips]) for name in ("emotion", "strength"))
        pairs = train_speech.pairs_of(emotion, strength).tolist()
        self.assertEqual(len(pairs), 2 * 6 * 6)
        for normal, strong in pairs:
            self.assertEqual(self.clips[normal].emotion, self.clips[strong].emotion)
            self.assertLess(self.clips[normal].target.sum(), self.clips[strong].target.sum())

    def test_reading_logits_agree_with_the_reading(self):
        au = torch.stack([prototype(name, s) for name in EMOTIONS for s in (0.6, 1.0)])
        self.assertEqual(train_speech.reading_logits(au).argmax(1).tolist(), read_emotions(au).tolist())

    def test_long_clips_are_heard_in_part(self):
        mel, starts = torch.arange(10.0)[:, None], set()
        for seed in range(40):
            part = train_speech.random_part(mel, 7, torch.Generator().manual_seed(seed))
            starts.add(part[0].item())
            self.assertTrue(torch.equal(part, mel[int(part[0]):int(part[0]) + 7]))
        self.assertEqual(starts, {0, 1, 2, 3})
        self.assertTrue(torch.equal(train_speech.random_part(mel, 20, torch.Generator()), mel))

    def test_windows_lie_in_the_clips(self):
        lengths = torch.tensor([100, 30, 10])
        for seed in range(20):
            windows = train_speech.random_windows(lengths, 0.7, torch.Generator().manual_seed(seed))
            begin, end = windows.T
            self.assertTrue((begin >= 0).all() and (end <= lengths).all())
            self.assertTrue((end - begin >= lengths.clamp(max=25)).all())

    def test_it_learns(self):
        model = train_speech.train(options(self.dir, epochs=40, rate=2e-2, dropout=0.0), self.clips, lambda line: None)
        figures = evaluate_speech.scores(speech_model.predict(model, [clip.mels[0] for clip in self.clips]), self.clips)
        self.assertGreater(figures["accuracy"], 0.9)  # doing nothing reads neutral: 0.2

    def test_a_resumed_run_gives_the_same_weights(self):
        whole = train_speech.train(options(self.dir / "whole"), self.clips, lambda line: None)
        broken = train_speech.Training(options(self.dir / "broken"), self.clips)
        checkpoint = self.dir / "broken" / "member0" / "state.pth"
        for _ in range(2):
            broken.run_epoch(checkpoint)
        common.save_checkpoint(checkpoint, broken.state())
        torch.rand(100)  # the random state of another process
        said = []
        resumed = train_speech.train(options(self.dir / "broken"), self.clips, said.append)
        self.assertIn("carrying on after epoch 2", said[0])
        for a, b in zip(whole.parameters(), resumed.parameters()):
            self.assertTrue(torch.equal(a, b))

    def test_members_differ_and_are_merged(self):
        model = train_speech.train(options(self.dir, epochs=1, members=2, stretch=1.0), self.clips, lambda line: None)
        first, second = (common.load_checkpoint(self.dir / f"member{k}" / "state.pth", "speech")["average"] for k in (0, 1))
        self.assertGreater((first["fc.weight"] - second["fc.weight"]).abs().max(), 1e-3)
        torch.testing.assert_close(model.fc.weight.data, torch.cat([first["fc.weight"], second["fc.weight"]], 1) / 2)
        for wrong in (dict(members=0), dict(members=2, bidirectional=True)):
            self.assertFails(f"--members {wrong['members']}: needs at least 1, and 1 alone with --bidirectional",
                             train_speech.train, options(self.dir, **wrong), self.clips)

    def test_lifts_are_read(self):
        self.assertEqual(train_speech.parse_lifts(("sadness=0.2", "anger=-0.1")), {"sadness": 0.2, "anger": -0.1})
        for wrong in ("neutral=0.1", "fear", "fear=far", "fear=nan"):
            self.assertFails(f"--lifts {wrong}: no such lift; write EMOTION=LENGTH", train_speech.train,
                             options(self.dir, lifts=(wrong,)), self.clips)

    def test_bf16_trains_to_about_the_same(self):
        exact, coarse = (train_speech.train(options(self.dir / name, epochs=1, precision=name), self.clips, lambda line: None)
                         for name in ("fp32", "bf16"))
        change = (exact.fc.weight - coarse.fc.weight).abs().max().item()
        self.assertTrue(0 < change < 0.02, change)

    def test_resuming_with_other_options_is_refused(self):
        train_speech.train(options(self.dir, epochs=1), self.clips, lambda line: None)
        self.assertFails("was made with --rate 0.003, now 0.1", train_speech.train, options(self.dir, epochs=1, rate=0.1), self.clips)

    def test_nan_stops_and_keeps_the_last_good_state(self):
        checkpoint = self.dir / "member0" / "state.pth"
        self.assertFails("epoch 1: the loss is nan; nothing was saved yet", train_speech.train,
                         options(self.dir, mse_weight=math.nan), self.clips)
        with mock.patch.object(train_speech, "losses", wraps=train_speech.losses) as losses:
            def turn_bad(line):
                losses.side_effect = lambda au, *rest: {"mse": au.sum() * math.nan}
            self.assertFails("epoch 2: the loss is nan; the last good state is in", train_speech.train, options(self.dir),
                             self.clips, turn_bad)
        state = common.load_checkpoint(checkpoint, "speech")
        self.assertEqual(state["epoch"], 1)
        self.assertTrue(all(tensor.isfinite().all() for tensor in state["model"].values()))

    def test_a_corrupt_state_is_named(self):
        (self.dir / "member0").mkdir()
        (self.dir / "member0" / "state.pth").write_bytes(b"PK\3\4 half a file")
        self.assertFails("state.pth: not a readable checkpoint", train_speech.train, options(self.dir), self.clips)

    def test_no_speaker_left(self):
        self.assertFails("no speech is left", train_speech.train, options(self.dir, hold_out=("01", "02")), self.clips)

    def test_help_shows_every_default(self):
        with contextlib.redirect_stdout(io.StringIO()) as out, self.assertRaises(SystemExit):
            common.parse_options(train_speech.Options, "x", ["--help"])
        said = " ".join(out.getvalue().split())
        for field in dataclasses.fields(train_speech.Options):
            self.assertIn("--" + field.name.replace("_", "-"), said)
        self.assertIn("(default: 0.01)", said)

    def test_options_come_from_flags(self):
        o = common.parse_options(train_speech.Options, "x", "--data d --out o --hold-out 01 02 --no-synthetic --epochs 3".split())
        self.assertEqual((list(o.hold_out), o.synthetic, o.epochs, o.batch), (["01", "02"], False, 3, train_speech.Options.batch))


class EvaluationTest(InTempDir):
    def test_scores_of_known_answers(self):
        clips = [Clip("a", "1", prototype("anger", 0.6), "p", 1), Clip("b", "1", prototype("anger"), "p", 2),
                 Clip("c", "1", prototype("neutral"))]
        au = torch.stack([prototype("anger", 0.5), prototype("fear", 0.9), prototype("neutral")])
        figures = evaluate_speech.scores(au, clips)
        self.assertAlmostEqual(figures["accuracy"], 2 / 3)
        self.assertEqual(figures["order_of_strengths"], 1.0)
        self.assertEqual(figures["recall"], {"neutral": 1.0, "anger": 0.5})
        self.assertEqual(figures["confusion"][EMOTIONS.index("anger")][EMOTIONS.index("fear")], 1)
        error = 4 * 0.1 + (3 * 0.1 + 1 + 4 * 0.9)  # anger: 4 AUs; of fear's 7, three are anger's, AU23 is not
        self.assertAlmostEqual(figures["au_mae"], error / 51, places=6)

    def test_mean_and_spread(self):
        merged = evaluate_speech.mean_and_spread([{"a": 1.0, "b": {"c": None}}, {"a": 3.0, "b": {"c": 2}}])
        self.assertEqual(merged["a"]["mean"], 2.0)
        self.assertAlmostEqual(merged["a"]["spread"], math.sqrt(2))
        self.assertEqual(merged["b"]["c"], {"mean": 2.0, "spread": 0.0})
        self.assertEqual(evaluate_speech.mean_and_spread([{"a": 1.0}, {"b": 2.0}])["b"], {"mean": 2.0, "spread": 0.0})

    def test_readings_that_a_disturbance_leaves_are_counted(self):
        (self.dir / "clips.csv").write_text("file,corpus,speaker,emotion\n" + "".join(f"{i}.wav,x,anna,fear\n" for i in range(4)))
        fear, anger = EMOTIONS.index("fear"), EMOTIONS.index("anger")

        def readings(engine, weights, clips):
            wide = clips[0].dim() == 2
            return torch.tensor([anger if wide and i < 1 else fear for i in range(len(clips))])
        with mock.patch.object(evaluate_speech, "engine_readings", readings):
            with mock.patch.object(evaluate_speech, "load_pcm", lambda path: sound(300)):
                table = evaluate_speech.kept_readings(evaluate_speech.EvaluationOptions(
                    data=str(self.dir), out="", engine="emoengine", weights="w", speakers=("anna",)))
        self.assertEqual(table, {"clips": 4, "accuracy": 1.0, "click": 1.0, "click, quiet clip": 1.0, "beep 0.3 s": 1.0,
                                 "silence 3 s": 1.0, "out of phase": 0.75})

    def test_equal_names_of_two_speakers_are_heard_apart(self):
        for speaker in ("anna", "bob"):
            (self.dir / speaker).mkdir()
            (self.dir / speaker / "hello.wav").touch()
            header = ",".join(f"{name}_r" for name in AU_NAMES)
            (self.dir / speaker / "hello.csv").write_text(f"{header}\n{','.join(['1'] * 17)}\n")
        heard = {}

        def measure(model, clips, pairs, options):
            heard.update({clip.speaker: pcm for pcm, clip in pairs})
            return {"accuracy": 0.0, "order_of_strengths": None, "au_mae": 0.0, "confusion": [[1]]}
        voices = {"anna": sound(300), "bob": sound(90)}
        with contextlib.ExitStack() as patched:
            for module in (speech_data, evaluate_speech):
                patched.enter_context(mock.patch.object(module, "load_pcm", lambda path: voices[path.parent.name]))
            for name in ("train", "export"):
                patched.enter_context(mock.patch.object(evaluate_speech, name))
            patched.enter_context(mock.patch.object(evaluate_speech, "measure", measure))
            patched.enter_context(contextlib.redirect_stdout(io.StringIO()))
            evaluate_speech.cross_validate(evaluate_speech.EvaluationOptions(
                data=str(self.dir), out=str(self.dir / "cv"), folds=2, copies=0, synthetic=False, robust_every=1, voice_change_db=0))
        for speaker, pcm in voices.items():
            self.assertTrue(torch.equal(heard[speaker], pcm))

    def people(self, text):
        (self.dir / "people.csv").write_text(text)
        return measure_speech.read_people(self.dir / "people.csv")

    def test_people_are_grouped_by_sex_and_age(self):
        self.assertEqual(self.people("speaker,sex,age\nanna,female,29\nbob,male,30\ncarl,,45\ndora,female,\n"),
                         {"anna": ["female", "under 30"], "bob": ["male", "under 45"], "carl": ["45 and older"], "dora": ["female"]})
        self.assertFails("people.csv: not a table with the columns speaker, sex and age", self.people, "speaker,sex\nanna,female\n")

    def test_a_model_is_measured_by_corpus_and_group(self):
        rows = [f"{i}.wav,{corpus},{who},{emotion}\n" for i, (corpus, who, emotion) in enumerate(
            [("x", "anna", "fear"), ("x", "bob", "anger"), ("x", "bob", "anger"), ("y", "carl", "anger"), ("y", "dora", "anger")])]
        (self.dir / "clips.csv").write_text("file,corpus,speaker,emotion\n" + "".join(rows))
        options = measure_speech.Options(data=[str(self.dir)], out="", models=[], speakers=("anna", "bob", "carl"), most=2)
        self.assertEqual({name: len(clips) for name, clips in measure_speech.chosen(options).items()}, {"x": 2, "y": 1})
        options.most = 3
        found = measure_speech.chosen(options)
        self.assertEqual({name: [clip.name for _, clip in clips] for name, clips in found.items()},
                         {"x": ["0.wav", "1.wav", "2.wav"], "y": ["3.wav"]})
        said = {"clean": "anger", "noise": "fear", "live": "anger"}
        answers = iter([said["clean"], said["noise"]])
        with contextlib.ExitStack() as patched:
            for name, stand_in in {"load_pcm": lambda path: sound(300), "heard_live": lambda model, pcm: prototype(said["live"]),
                                   "predict_pcm": lambda model, pcms: prototype(next(answers)).repeat(len(pcms), 1)}.items():
                patched.enter_context(mock.patch.object(measure_speech, name, stand_in))
            groups = {"anna": ["female"], "bob": ["male"]}
            table = measure_speech.measure(speech_model.SpeechModel(config(voice_change_db=2.5)), found["x"], groups, options)
        self.assertEqual([round(3 * table[name]["accuracy"], 5) for name in said], [2, 1, 2])
        self.assertEqual({name: row["accuracy"] for name, row in table["groups"].items()}, {"female": 0.0, "male": 1.0})
        self.assertEqual((table["clean"]["mean_recall"], table["live"]["as_whole_clips"]), (0.5, 1.0))
        self.assertIn("m  x           live          accuracy 0.667, whole 0.667", measure_speech.summary({"m": {"x": table}}))
        self.assertFails("no clips of eva", measure_speech.chosen, dataclasses.replace(options, speakers=("eva",)))

    def test_a_stream_without_a_voice_is_neutral(self):
        model = speech_model.SpeechModel(config(voice_change_db=2.5, lstm_layers=1)).eval()
        self.assertEqual(measure_speech.heard_live(model, torch.zeros(16_000)).abs().max(), 0)
        self.assertGreater(measure_speech.heard_live(model, torch.cat([torch.zeros(8000), voice()])).abs().max(), 0)

    def test_silence_is_neutral(self):
        model = speech_model.SpeechModel(config()).eval()
        au = evaluate_speech.predict_pcm(model, [torch.zeros(16_000), sound(300)])
        self.assertEqual(au[0].abs().max(), 0)
        self.assertGreater(au[1].abs().max(), 0)

    @unittest.skipUnless(soundfile, "soundfile is not installed")
    def test_cross_validation_end_to_end(self):
        data = self.dir / "data"
        data.mkdir()
        for actor in ("01", "02"):
            for emotion, strengths in (("01", ("01",)), ("03", ("01", "02")), ("05", ("01", "02"))):
                for strength in strengths:
                    name = f"03-01-{emotion}-{strength}-01-01-{actor}.wav"
                    soundfile.write(data / name, sound(200 * int(emotion)).numpy(), 16_000)
        arguments = ["evaluate_speech.py", "--data", str(data), "--out", str(self.dir / "cv"), "--folds", "2", "--epochs", "1",
                     "--hidden", "4", "--layers", "1", "--copies", "1", "--no-synthetic", "--voice-change-db", "0", "--robust-every", "2"]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()) as out:
            with mock.patch.object(evaluate_speech, "has_espeak", return_value=False):
                evaluate_speech.main()
        self.assertIn("accuracy of seven", out.getvalue())
        report = (self.dir / "cv" / "report.json").read_text()
        self.assertIn('"telephone"', report)
        self.assertTrue((self.dir / "cv" / "fold1" / "speech.pth").exists())


if __name__ == "__main__":
    unittest.main()
