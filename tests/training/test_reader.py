"""Tests of the reader's recipe in tools/training on made-up portraits, under a minute on one core.

  python3 -m unittest discover -s tests/training -p 'test_reader.py'
"""
import contextlib
import dataclasses
import io
import math
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools" / "training"), str(ROOT / "tests" / "training")]

import pack
import reader_crops
import reader_pictures
import synthetic_faces
import train_reader
from common import TrainingError, load_tensors, save_checkpoint
from motion import motion_tensors
from pairs import seeded
from reader import SIZE, Reader, folded, read_folded
from reader_crops import Sources, batch, cut, held_out_batch, place, shuffled


def program(module, *arguments):
    with mock.patch.object(sys, "argv", [module.__name__, *map(str, arguments)]), contextlib.redirect_stdout(io.StringIO()) as out:
        module.main()
    return out.getvalue()


class HowFacesMove(unittest.TestCase):
    def test_creases_are_the_mean_of_both_halves_at_half_the_resolution(self):
        shade = np.zeros((17, 160, 160), np.float32)
        shade[3, 10:12, 84:86] = .5  # texel (5, 2) right of the middle
        tensors = motion_tensors(np.zeros((17, 478, 3)), np.zeros((478, 3)), shade, np.arange(6).reshape(2, 3))
        expected = torch.zeros(17, 68, 30, dtype=torch.float16)
        expected[3, 5, 2] = .25
        torch.testing.assert_close(tensors["motion.shade"], expected)
        self.assertEqual(tensors["motion.triangles"].tolist(), [[0, 1, 2], [3, 4, 5]])


class TheNetwork(unittest.TestCase):
    def test_folding_keeps_the_function(self):
        torch.manual_seed(1)
        net = Reader(torch.randn(478, 2))
        crops = torch.rand(8, 3, SIZE, SIZE) * 2 - 1
        for _ in range(3):  # the norms learn their means and variances
            net(crops + .2 * torch.randn(8, 3, 1, 1))
        net.eval()
        with torch.no_grad():
            want, got = net(crops), read_folded(crops, folded(net.state_dict()))
        for a, b in zip(want, got):
            self.assertLess((a - b).abs().max().item(), 1e-4)

    def test_answers_the_mean_face_before_it_has_learned(self):
        mean = torch.rand(478, 2) - .5
        net = Reader(mean).eval()
        net.landmarks.weight.data.zero_()
        self.assertTrue(torch.equal(net(torch.zeros(2, 3, SIZE, SIZE))[0], mean.expand(2, -1, -1)))

    def test_its_weights_fit_into_4_mb_of_fp16(self):
        self.assertLess(2 * sum(value.numel() for value in folded(Reader().state_dict()).values()), 4e6)


class Geometry(unittest.TestCase):
    def test_landmarks_go_where_the_pixels_go(self):
        """A dot in a picture lies in each crop where place() says, turned, shifted, scaled and mirrored."""
        size, n = 96, 6
        pictures = torch.zeros(n, 3, size, size, dtype=torch.uint8)
        dots = torch.tensor([[40., 30.], [52., 61.], [45., 50.], [60., 41.], [38., 47.], [55., 55.]])
        for picture, (x, y) in zip(pictures, dots.int().tolist()):
            picture[:, y - 1:y + 2, x - 1:x + 2] = 255
        centre, side = torch.full((n, 2), 48.) + torch.arange(n)[:, None] * .7, torch.linspace(60, 100, n)
        angle, flip = torch.linspace(-3, 3, n), torch.arange(n) % 2 == 1
        crops, _ = cut(pictures, centre, side, angle, flip)
        at = place(dots[:, None], torch.tensor([0]), size, centre, side, angle, flip)[:, 0]
        row = torch.arange(SIZE) + .5
        for crop, (u, v) in zip(crops[:, 0], at.tolist()):
            x, y = (crop.sum(0) * row).sum() / crop.sum(), (crop.sum(1) * row).sum() / crop.sum()
            self.assertAlmostEqual(x.item(), SIZE * (u + .5), delta=.3)
            self.assertAlmostEqual(y.item(), SIZE * (v + .5), delta=.3)

    def test_shuffling_keeps_every_pixel(self):
        pictures = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
        got = shuffled(pictures, seeded(3), 4)
        self.assertFalse(torch.equal(got, pictures))
        self.assertTrue(torch.equal(got.flatten(2).sort(2)[0], pictures.flatten(2).sort(2)[0]))


class WithPictures(unittest.TestCase):
    """Packs made-up and made-up real portraits and draws them once for all tests."""

    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        synthetic_faces.write(cls.folder / "made", count=40)
        synthetic_faces.write(cls.folder / "real", count=40, seed=2, prefix="R")
        (cls.folder / "real" / "faces.csv").unlink()
        cls.pack, cls.pictures = cls.folder / "faces.npz", cls.folder / "pictures.npz"
        program(pack, "--data", cls.folder / "made", cls.folder / "real", "--out", cls.pack, "--size", 96)
        program(reader_pictures, "--pack", cls.pack, "--out", cls.pictures, "--expressions", 1)
        few = mock.patch.object(reader_crops, "N_TEXTURES", 8)
        few.start()
        cls.addClassCleanup(few.stop)
        cls.sources = Sources(cls.pack, cls.pictures)


class Crops(WithPictures):
    def test_held_out_people_are_never_drawn(self):
        held = torch.cat(list(self.sources.held_out.values()))
        self.assertGreater(len(held), 0)
        self.assertEqual(self.sources.odds[held].sum().item(), 0)
        n = len(self.sources.odds) // 2
        self.assertTrue(set((held % n).tolist()).isdisjoint((self.sources.odds > 0).nonzero()[:, 0].remainder(n).tolist()))
        self.assertAlmostEqual(self.sources.odds.sum().item(), 1, places=4)

    def test_a_step_gives_the_same_batch_every_time_and_another_step_another(self):
        first, again, other = batch(self.sources, 1, 5, 16), batch(self.sources, 1, 5, 16), batch(self.sources, 1, 6, 16)
        for a, b in zip(first, again):
            self.assertTrue(torch.equal(a, b))
        self.assertFalse(torch.equal(first[0], other[0]))
        self.assertEqual(tuple(first[0].shape), (16, 3, SIZE, SIZE))
        self.assertLessEqual(first[0].abs().max().item(), 1)

    def test_landmarks_of_upright_held_out_crops_lie_as_the_mean_does(self):
        _, points = held_out_batch(self.sources, "real", 0)
        self.assertLess((points.mean(0) - self.sources.mean_points()).abs().max().item(), .05)

    def test_held_out_faces_are_turned_by_what_was_asked(self):
        _, upright = held_out_batch(self.sources, "made", 0)
        _, turned = held_out_batch(self.sources, "made", 45)
        angle = lambda p: torch.atan2(*(p[:, 263] - p[:, 33]).flip(1).unbind(1))
        change = (angle(turned) - angle(upright)).abs()
        self.assertTrue(torch.allclose(change, torch.full_like(change, math.pi / 4), atol=1e-3))

    def test_pictures_of_another_pack_are_refused(self):
        other = self.folder / "other.npz"
        program(pack, "--data", self.folder / "made", "--out", other, "--size", 96, "--limit", 20)
        with self.assertRaisesRegex(TrainingError, "was not made from .*other.npz; make it again with reader_pictures.py"):
            Sources(other, self.pictures)


class Training(WithPictures):
    def train(self, name, **changes):
        defaults = train_reader.Options(pack=str(self.pack), pictures=str(self.pictures), out=str(self.folder / name), steps=4,
                                        batch=8, threads=1, evaluate=0)
        with contextlib.redirect_stdout(io.StringIO()) as out, mock.patch.object(train_reader, "N_OTHERS", 100):
            result = train_reader.train(dataclasses.replace(defaults, **changes))
        return result, out.getvalue()

    def test_a_run_is_the_same_whether_interrupted_or_not(self):
        whole, _ = self.train("whole.pth")
        self.train("parts.pth", stop_after=2)
        parts, _ = self.train("parts.pth")
        self.assertEqual(parts.step, 4)
        for key, value in whole.averaged.state_dict().items():
            self.assertTrue(torch.equal(value, parts.averaged.state_dict()[key]), key)

    def test_writes_folded_half_weights_and_prints_figures(self):
        weights = self.folder / "weights.pth"
        _, text = self.train("half.pth", steps=1, weights=str(weights), half=True)
        state = load_tensors(weights)
        self.assertEqual(tuple(state["landmarks.weight"].shape), (957, 96, 4, 4))
        self.assertEqual({value.dtype for value in state.values()}, {torch.float16})
        for name in ("made 0", "real 45", "drawn 30", "AUC", "recall at 0.99"):
            self.assertIn(name, text)

    def test_learns_what_a_few_crops_show(self):
        """40 steps on one batch halve its error."""
        crops, points = batch(self.sources, 1, 0, 16)
        torch.manual_seed(1)
        r = train_reader.Run(train_reader.Options(steps=40, warm_up=5), Reader(self.sources.mean_points()))
        errors = []
        for r.step in range(40):
            errors.append(r.train(crops, points, r.step / 40)[1].item())
        self.assertLess(errors[-1], errors[0] / 2)

    def test_a_loss_that_is_not_finite_stops_before_the_state_is_written(self):
        with mock.patch.object(train_reader, "relative_error", lambda found, points: found.mean((1, 2)) * float("nan")), \
                self.assertRaisesRegex(TrainingError, "the loss is nan; nothing was saved yet. Lower the learning rate"):
            self.train("nan.pth", report=1)
        self.assertFalse((self.folder / "nan.pth").exists())

    def test_what_is_missing_or_of_another_recipe_is_told(self):
        with self.assertRaisesRegex(TrainingError, "how long"):
            self.train("none.pth", steps=0)
        save_checkpoint(self.folder / "other.pth", {"recipe": "generator"})
        with self.assertRaisesRegex(TrainingError, "a checkpoint of 'generator', not of 'reader'"):
            self.train("other.pth")


if __name__ == "__main__":
    unittest.main()
