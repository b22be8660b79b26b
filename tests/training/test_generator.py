"""Tests of the generator's recipe in tools/training on made-up portraits, about a minute on one core.

  python3 -m unittest discover -s tests/training -p 'test_generator.py'

They run with torch 1.13 and need numpy, scipy and Pillow. mediapipe is not needed: landmarks of results are made up.
"""
import contextlib
import dataclasses
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools" / "training"), str(ROOT / "tests" / "training")]

import evaluate
import face_mesh
import losses
import pack
import pairs
import raster
import synthetic_faces
import train_generator
import widen
from common import AU_NUMBERS, TrainingError, prototype
from face_points import LOWER_LID, LOWER_LIP, UPPER_LID, UPPER_LIP
from generator import Critic, Generator, generator_of
from muon import Muon, orthogonal
from train_generator import plain, read_weights


def au(**values):
    """(1,17) of values by name: au(AU12=.5)."""
    row = torch.zeros(1, len(AU_NUMBERS))
    for name, value in values.items():
        row[0, AU_NUMBERS.index(int(name[2:]))] = value
    return row


class WithFaces(unittest.TestCase):
    """Packs the made-up portraits once for all tests."""

    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        synthetic_faces.write(cls.folder / "data")
        cls.pack = cls.folder / "faces.npz"
        with mock.patch.object(sys, "argv", ["pack.py", "--data", str(cls.folder / "data"), "--out", str(cls.pack), "--size", "96"]), \
                contextlib.redirect_stdout(io.StringIO()):
            pack.main()
        cls.faces = pack.PackedFaces(cls.pack)
        cls.teacher = cls.faces.teacher()

    def portrait(self, index=0):
        return self.faces.portraits(torch.tensor([index]))

    def render(self, index, target, size=64):
        return self.teacher.render(self.portrait(index), target, self.faces.face_box[None], size)[0]


class Raster(unittest.TestCase):
    def test_covers_what_a_plain_loop_covers_and_the_last_wins(self):
        torch.manual_seed(3)
        size, n = 19, 12
        corners = torch.rand(2, n, 3, 2) * 24 - 3
        visible, behind = torch.rand(2, n) < .8, torch.rand(2, n) < .3
        got = raster.cover(corners, visible, behind, size)
        for b in range(2):
            for y in range(size):
                for x in range(size):
                    want = raster.NOTHING
                    for group in (behind[b], ~behind[b]):
                        for f in range(n):
                            p = torch.tensor([float(x), float(y)])
                            a, c, d = corners[b, f]
                            sides = torch.stack([raster.cross(q - o, p - o) for o, q in ((a, c), (c, d), (d, a))])
                            if visible[b, f] and group[f] and (bool((sides >= 0).all()) or bool((sides <= 0).all())):
                                want = f
                    self.assertEqual(got[b, y, x].item(), want, f"at {b}, {y}, {x}")

    def test_affine_maps_carry_corners_to_corners(self):
        torch.manual_seed(4)
        target, source = torch.rand(1, 5, 3, 2), torch.rand(1, 5, 3, 4)
        maps = raster.affine_maps(source, target)
        for corner in range(3):
            offset = target[:, :, corner] - maps[..., :2]
            image = maps[..., 2:6] + offset[..., :1] * maps[..., 6:10] + offset[..., 1:] * maps[..., 10:]
            self.assertTrue(torch.allclose(image, source[:, :, corner], atol=1e-4))

    def test_distance_to_a_square_is_positive_inside(self):
        square = torch.tensor([[0., 0.], [2., 0.], [2., 2.], [0., 2.]])
        points = torch.tensor([[1., 1.], [1., .25], [3., 1.], [-1., -1.]])
        got = raster.polygon_distance(square.expand(4, 4, 2), points)
        self.assertTrue(torch.allclose(got, torch.tensor([1., .25, -1., -2**.5]), atol=1e-5))


class TheTeacher(WithFaces):
    def test_gives_the_photo_back_for_its_own_expression(self):
        p = self.portrait(3)
        left, side = self.faces.face_box[0].item(), self.faces.face_box[2].item()
        got = self.teacher.render(p, p.own, torch.tensor([[0., 0., float(self.faces.size)]]), self.faces.size, 1)
        self.assertLess((got - p.photos).abs().max().item(), 1e-4)
        self.assertAlmostEqual(left * 2 + side, self.faces.size, places=3)

    def test_nearly_the_own_expression_gives_nearly_the_photo(self):
        p = self.portrait(3)
        same, near = self.render(3, p.own), self.render(3, p.own + 1e-3)
        error = (same - near).square().mean()
        self.assertGreater(-10 * torch.log10(error).item(), 35)

    def test_a_dropped_jaw_opens_the_lips_more_the_further_it_drops(self):
        p = self.portrait()
        gaps = []
        for strength in (0, .25, .5, .75, 1):
            points = self.teacher.move(p, au(AU26=strength))
            gaps.append((points[0, LOWER_LIP[0][4]] - points[0, UPPER_LIP[0][4]])[1].item())
        self.assertAlmostEqual(gaps[0], 0, delta=.5)
        self.assertTrue(all(b > a + 1 for a, b in zip(gaps, gaps[1:])), gaps)

    def test_an_open_mouth_shows_its_dark_inside(self):
        shut, opened = self.render(0, au()), self.render(0, au(AU26=1, AU25=1))
        cavity = torch.tensor(mouth_colour("CAVITY"))[:, None, None] / 255
        dark = lambda picture: ((picture - cavity).abs().amax(0) < .15).sum().item()
        self.assertGreater(dark(opened), dark(shut) + 10)

    def test_au45_shuts_the_lids_and_au5_opens_them(self):
        p = self.portrait()
        opening = lambda points: (points[0, LOWER_LID[0]] - points[0, UPPER_LID[0]]).norm(dim=1).mean().item()
        rest = opening(self.teacher.move(p, au()))
        self.assertLess(opening(self.teacher.move(p, au(AU45=1))), .2)
        self.assertGreater(opening(self.teacher.move(p, au(AU5=1))), 1.1 * rest)

    def test_a_smiling_photo_asked_for_zeros_lowers_its_corners(self):
        p = self.portrait(3)
        self.assertGreater(p.own[0, AU_NUMBERS.index(12)], .4)
        moved = self.teacher.move(p, au()) - p.points
        self.assertGreater(moved[0, 61, 1].item(), 1)  # y goes down in pictures
        self.assertGreater(moved[0, 291, 1].item(), 1)

    def test_pictures_do_not_depend_on_the_batch(self):
        index = torch.tensor([0, 3, 5])
        target = torch.cat([au(AU26=1), au(AU45=1), au(AU12=1, AU20=.5)])
        together = self.teacher.render(self.faces.portraits(index), target, self.faces.face_box.expand(3, 3), 64)
        for row, i in enumerate(index):
            self.assertLess((together[row] - self.render(int(i), target[row:row + 1])).abs().max().item(), 1e-4)

    def test_own_expression_finds_the_smile_that_was_drawn(self):
        own = self.faces.own_expression()
        marks = np.load(self.folder / "data" / "faces_landmarks.npz")
        for i in range(8):
            found = own(own.normalise(marks["points"][i] / 64.0))
            self.assertLess(abs(found - marks["aus"][i]).max(), .1)


def mouth_colour(name):
    import mouth
    return getattr(mouth, name)


class ThePack(WithFaces):
    def test_splits_by_name_and_keeps_every_portrait(self):
        train, held = set(self.faces.train.tolist()), set(self.faces.held_out.tolist())
        self.assertEqual(train | held, set(range(40)))
        self.assertFalse(train & held)
        self.assertTrue(held)

    def test_missing_data_is_told(self):
        with self.assertRaisesRegex(TrainingError, r"au_basis.npz: no such file; see tools/training/README.md"):
            pack.make(pack.Options(data=[str(self.folder / "nowhere")]))
        with self.assertRaisesRegex(TrainingError, r"none.npz: no such file"):
            pack.PackedFaces(self.folder / "none.npz")

    def test_files_that_are_no_packs_are_told(self):
        broken = self.folder / "broken.npz"
        broken.write_bytes(self.pack.read_bytes()[:1000])
        with self.assertRaisesRegex(TrainingError, "broken.npz: not a readable .npz file"):
            pack.PackedFaces(broken)
        with self.assertRaisesRegex(TrainingError, "au_basis.npz: has no array format"):
            pack.PackedFaces(self.folder / "data" / "au_basis.npz")

    def test_a_box_beyond_the_picture_repeats_the_border(self):
        from PIL import Image
        picture = Image.fromarray(np.full((20, 20, 3), 77, np.uint8))
        small, moved = pack.crop(picture, np.array([[0., 0., 0.]]), (-10, -10, 40), 20)
        self.assertTrue((np.asarray(small) == 77).all())
        self.assertTrue(np.allclose(moved, [[4.75, 4.75, 0]]))

    def test_folders_are_packed_together_and_those_without_a_table_are_of_real_people(self):
        real = self.folder / "real"
        synthetic_faces.write(real, count=20, seed=2, prefix="R")
        for unneeded in ("faces.csv", "au_basis.npz"):
            (real / unneeded).unlink()
        arrays = pack.make(pack.Options(data=[str(self.folder / "data"), str(real)], size=96, limit=20))
        self.assertEqual(list(arrays["names"][[0, 19, 20, 39]]), ["0000.jpg", "0019.jpg", "R0000.jpg", "R0019.jpg"])
        self.assertEqual(set(arrays["group"][:20]), {"drawn"})
        self.assertEqual(set(arrays["group"][20:]), {"real"})
        self.assertEqual(set(arrays["sex"][20:]), {""})
        with self.assertRaisesRegex(TrainingError, "0000.jpg is in two folders; rename one"):
            pack.make(pack.Options(data=[str(self.folder / "data")] * 2, size=96))

    def test_own_pictures_are_packed_with_openface_tables(self):
        tables = self.folder / "tables"
        tables.mkdir(exist_ok=True)
        names = sorted((self.folder / "data" / "faces").glob("*.jpg"))[:4]
        for name in names:
            columns = [f"AU{n:02}_r" for n in AU_NUMBERS]
            (tables / f"{name.stem}.csv").write_text(", ".join(columns) + "\n" + ", ".join(["2.5"] * 17) + "\n")
        marks = np.load(self.folder / "data" / "faces_landmarks.npz")["points"] / 64.0
        with mock.patch.object(face_mesh, "find", side_effect=[marks[i:i + 1] for i in range(4)]):
            arrays = pack.make(pack.Options(data=[str(self.folder / "data")], pictures=str(self.folder / "data" / "faces"),
                                            openface=str(tables), limit=4, size=64))
        self.assertTrue(np.allclose(arrays["aus"], .5))
        with self.assertRaisesRegex(TrainingError, r"data: no .jpg or .png pictures in it"):
            pack.make(pack.Options(data=[str(self.folder / "data")], pictures=str(self.folder / "data"), openface=str(tables)))


class ThePairs(WithFaces):
    def test_expressions_lie_in_0_1_and_show_every_au(self):
        drawn = pairs.expressions(pairs.seeded(1), 2000)
        self.assertGreaterEqual(drawn.min().item(), 0)
        self.assertLessEqual(drawn.max().item(), 1)
        self.assertTrue((drawn.amax(0) > .5).all())
        self.assertGreater((drawn.sum(1) == 0).float().mean().item(), .02)

    def test_the_same_step_gives_the_same_batch(self):
        make = lambda: pairs.Pairs(self.faces, self.teacher, 5, 2, 2, 2)
        first, second = make(), make()
        first(0, 32)
        for a, b in zip(first(3, 32), second(3, 32)):
            self.assertTrue(torch.equal(a, b))

    def test_every_pair_of_a_chapter_is_used_once_a_reading(self):
        source = pairs.Pairs(self.faces, self.teacher, 5, 2, 3, 2)
        seen = torch.cat([source(step, 32)[2] for step in range(3)])
        order = lambda rows: sorted(map(tuple, rows.tolist()))
        self.assertEqual(order(seen), order(source.chapter.au))


class Networks(unittest.TestCase):
    def test_keys_are_those_of_the_authors(self):
        keys = set(Generator(4, 6).state_dict())
        self.assertIn("main.14.main.4.bias", keys)
        self.assertLessEqual({"main.0.weight", "main.9.main.0.weight", "main.15.weight", "main.18.weight", "img_reg.0.weight",
                              "attetion_reg.0.weight"}, keys)

    def test_size_is_read_off_the_weights(self):
        net = generator_of(Generator(6, 2).half().state_dict(), "x.pth")
        self.assertEqual(net.main[0].weight.shape, (6, 20, 7, 7))
        self.assertEqual(net.main[0].weight.dtype, torch.float32)
        with self.assertRaisesRegex(TrainingError, "x.pth: not a generator's weights"):
            generator_of({"main.0.weight": torch.zeros(4, 20, 7, 7)}, "x.pth")

    def test_widening_keeps_the_function(self):
        torch.manual_seed(1)
        net = Generator(4, 2, au_gain=4)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, .1, .3)
        wide = generator_of(widen.widened(plain(net), .05, 1), "wide")
        self.assertEqual(len(wide.main[0].weight), 8)
        photo, wanted = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 17)
        with torch.no_grad():
            for a, b in zip(net(photo, wanted), wide(photo, wanted)):
                self.assertLess((a - b).abs().max().item(), 1e-4)

    def test_widened_copies_part_ways_in_training(self):
        torch.manual_seed(1)
        wide = generator_of(widen.widened(plain(Generator(4, 1)), .05, 1), "wide")
        wide(torch.rand(1, 3, 32, 32), torch.rand(1, 17))[0].square().mean().backward()
        gradient = wide.main[3].weight.grad
        self.assertGreater((gradient[:8] - gradient[8:]).abs().max().item(), 1e-3 * gradient.abs().max().item())

    def test_gradient_penalty_of_a_slope_of_one_is_zero(self):
        slope = torch.full((3, 8, 8), 1 / (3 * 64)**.5)
        linear = lambda x: ((x * slope).flatten(1).sum(1), None)
        penalty = losses.gradient_penalty(linear, torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.rand(2))
        self.assertLess(penalty.item(), 1e-8)

    def test_supervised_loss_is_least_for_the_teachers_picture(self):
        torch.manual_seed(2)
        photo, target = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
        mask = torch.zeros(1, 1, 16, 16)
        perfect, missing = losses.supervised(photo, target, target, mask, target)
        nothing, all_missing = losses.supervised(photo, target, photo, mask, photo)
        self.assertLess(perfect.item(), 1e-6)
        self.assertGreater(nothing.item(), .5)
        self.assertAlmostEqual(missing.item(), 0)
        self.assertAlmostEqual(all_missing.item(), 1, places=5)


class TheOptimiser(unittest.TestCase):
    def test_updates_are_nearly_orthogonal(self):
        for shape in ((8, 40), (40, 8), (16, 16)):
            values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(1))))
            self.assertGreater(values.min(), 0.5)
            self.assertLess(values.max(), 1.3)

    def test_steps_have_adams_size_and_lower_a_quadratic(self):
        weight = torch.nn.Parameter(torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(2)))
        optimiser = Muon([weight], lr=0.01)
        before, losses_seen = weight.detach().clone(), []
        for _ in range(400):  # of 0.002 each, so at most 0.8 of the weights of size 1
            loss = weight.square().sum()
            weight.grad = None
            loss.backward()
            optimiser.step()
            losses_seen.append(loss.item())
            if len(losses_seen) == 1:
                self.assertAlmostEqual((weight - before).square().mean().sqrt().item(), 0.2 * 0.01, delta=0.0008)
        self.assertLess(losses_seen[-1], 0.2 * losses_seen[0])


class Training(WithFaces):
    def options(self, name, **changes):
        defaults = train_generator.Options(pack=str(self.pack), out=str(self.folder / name), filters=4, blocks=1, steps=4, batch=2,
                                           batches_per_chapter=2, reuse=1, report=1, coarse=.5, device="cpu", critic_filters=2)
        return dataclasses.replace(defaults, **changes)

    def train(self, name, **changes):
        with contextlib.redirect_stdout(io.StringIO()):
            return train_generator.train(self.options(name, **changes))

    def assert_same(self, a, b):
        for key, value in plain(a).items():
            self.assertTrue(torch.equal(value, plain(b)[key]), key)

    def test_a_resumed_run_ends_with_the_same_weights(self):
        for stage in ("supervised", "adversarial"):
            with self.subTest(stage):
                steps = {"supervised": 4, "adversarial": 6}[stage]
                whole = self.train(f"whole_{stage}.pth", stage=stage, steps=steps)
                self.train(f"parts_{stage}.pth", stage=stage, steps=steps, stop_after=3)
                resumed = self.train(f"parts_{stage}.pth", stage=stage, steps=steps)
                self.assertEqual(resumed.step, steps)
                self.assert_same(whole.generator, resumed.generator)
                self.assert_same(whole.averaged, resumed.averaged)

    def test_a_run_resumed_within_a_chapter_keeps_its_size(self):
        # At step 4 of 8 the chapter of steps 4 to 7 is coarse; a run resumed at 5 is past 0.55 of its steps.
        long = dict(steps=8, reuse=2, coarse=.55)
        whole = self.train("whole_coarse.pth", **long)
        self.train("parts_coarse.pth", stop_after=5, **long)
        self.assert_same(whole.generator, self.train("parts_coarse.pth", **long).generator)

    def test_both_stages_move_the_weights_and_write_them(self):
        first = self.train("one.pth", weights=str(self.folder / "one_weights.pth"))
        self.assert_same(first.averaged, generator_of(read_weights(self.folder / "one_weights.pth"), "w"))
        second = self.train("two.pth", start=str(self.folder / "one.pth"), stage="adversarial", steps=5, half=True,
                            critic=str(self.folder / "critic.pth"))
        moved = (second.generator.main[0].weight - first.averaged.main[0].weight).abs().max().item()
        self.assertGreater(moved, 1e-6)
        kept = read_weights(self.folder / "critic.pth")
        self.assertEqual(kept["conv1.weight"].dtype, torch.float16)
        again = train_generator.open_critic(self.options("x.pth", start_critic=str(self.folder / "critic.pth")))
        self.assertTrue(torch.equal(again.conv1.weight, kept["conv1.weight"].float()))

    def test_training_lowers_the_loss(self):
        torch.manual_seed(0)
        run = train_generator.Run(self.options("lower.pth", rate=3e-3, warm_up=1, steps=1000), Generator(4, 1), torch.device("cpu"))
        batch = pairs.Pairs(self.faces, self.teacher, 5, 2, 1, 1)(0, 32)
        seen = []
        for _ in range(30):
            seen.append(run.train(batch, 0)[0].item())
            run.step += 1
        self.assertLess(seen[-1], .8 * seen[0])

    def test_nan_stops_the_run_and_keeps_the_last_good_state(self):
        good = self.train("nan.pth", stop_after=2)
        before = pathlib.Path(good.o.out).read_bytes()
        poison = lambda *a: (torch.tensor(float("nan"), requires_grad=True) + 0 * a[2].sum(), torch.tensor(0.))
        with mock.patch.object(losses, "supervised", poison):
            with self.assertRaisesRegex(TrainingError, r"step 3: the loss is nan; the last good state is in .*nan.pth"):
                self.train("nan.pth")
        self.assertEqual(pathlib.Path(good.o.out).read_bytes(), before)

    def test_bad_input_is_told(self):
        with self.assertRaisesRegex(TrainingError, "how long"):
            self.train("a.pth", steps=0)
        corrupt = self.folder / "corrupt.pth"
        corrupt.write_bytes(b"PK\x03\x04 not a checkpoint")
        with self.assertRaisesRegex(TrainingError, r"corrupt.pth: not a readable checkpoint"):
            self.train("corrupt.pth")
        with self.assertRaisesRegex(TrainingError, r"corrupt.pth: not a readable checkpoint"):
            self.train("b.pth", start=str(corrupt))
        with self.assertRaisesRegex(TrainingError, r"nothing.pth: no such checkpoint"):
            self.train("c.pth", start=str(self.folder / "nothing.pth"))
        with self.assertRaisesRegex(TrainingError, r"faces.npz: no such file"):
            self.train("d.pth", pack=str(self.folder / "no" / "faces.npz"))
        self.train("stage.pth", stop_after=1)
        with self.assertRaisesRegex(TrainingError, r"stage.pth: a state of the supervised stage; give another --out"):
            self.train("stage.pth", stage="adversarial")
        torch.save(Critic(4).state_dict(), self.folder / "wide_critic.pth")
        with self.assertRaisesRegex(TrainingError, r"wide_critic.pth: not a critic of 2 filters"):
            self.train("e.pth", stage="adversarial", start_critic=str(self.folder / "wide_critic.pth"))


class GpuSlice(WithFaces):
    def run_slice(self, number, start, out, *more):
        command = ["sh", ROOT / "tools" / "training" / "gpu_slice.sh", str(number), self.pack, start, out, "--device", "cpu",
                   "--batch", "2", "--batches-per-chapter", "1", "--reuse", "1", "--critic-filters", "2", *more]
        environment = dict(os.environ, PYTHON=sys.executable, MINUTES="5", OMP_NUM_THREADS="1")
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)

    def test_slices_go_on_from_the_parts_of_the_slice_before(self):
        first, second = self.folder / "slice1", self.folder / "slice2"
        done = self.run_slice(1, "none", first, "--filters", "4", "--blocks", "1", "--steps", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(p.name for p in first.iterdir()), ["generator.00", "log.txt"])
        done = self.run_slice(2, first, second, "--stage", "adversarial", "--steps", "5")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(p.name for p in second.iterdir()), ["critic.00", "generator.00", "log.txt"])
        state = read_weights(second / "generator.00")
        self.assertEqual(state["main.0.weight"].shape, (4, 20, 7, 7))
        self.assertEqual(state["main.0.weight"].dtype, torch.float16)

    def test_a_failing_slice_says_why(self):
        done = self.run_slice(1, self.folder / "missing.pth", self.folder / "slice3", "--steps", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("missing.pth: no such checkpoint", done.stderr)


class Evaluation(WithFaces):
    def shapes(self, names, effect):
        """Normalised landmarks (1,n,478,3) of made-up results in which every AU does `effect` of what the basis says."""
        mean, basis = self.faces.arrays["mean_shape"].astype(float), self.faces.arrays["basis"].astype(float)
        rows = dict(zip(*evaluate.wanted()))
        return np.stack([mean + effect * np.tensordot(rows[n].numpy(), basis, 1) for n in names])[None]

    def test_what_moves_as_the_teacher_does_is_right_and_monotone(self):
        names = evaluate.wanted()[0]
        table = evaluate.au_table(names, self.shapes(names, 1), self.shapes(names, 1))
        for name in ("AU01", "AU02", "AU04", "AU12", "AU15", "AU20", "AU25", "AU26", "AU45"):
            self.assertEqual((table[name]["right"], table[name]["monotone"]), (1, 1), name)
            self.assertAlmostEqual(table[name]["share"], 1)

    def test_what_moves_nothing_is_wrong(self):
        names = evaluate.wanted()[0]
        table = evaluate.au_table(names, self.shapes(names, 0), self.shapes(names, 1))
        self.assertEqual({row["right"] for row in table.values()}, {0})

    def test_psnr_and_ssim_of_known_pictures(self):
        a = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
        self.assertAlmostEqual(evaluate.psnr(a, a + 10), 28.13, places=2)
        self.assertAlmostEqual(evaluate.ssim(a, a).item(), 1, places=5)
        torch.manual_seed(1)
        self.assertLess(evaluate.ssim(a, torch.randint(0, 255, a.shape)).item(), .2)

    def test_a_report_is_written_with_sheets(self):
        torch.manual_seed(1)
        weights, out = self.folder / "net.pth", self.folder / "report"
        torch.save(Generator(4, 1).state_dict(), weights)
        mean = self.faces.arrays["mean_shape"] * [90, -90, -90]
        def found(python, pictures):
            return np.stack([mean + p.mean() / 100 for p in pictures])
        photo = self.folder / "data" / "faces" / "0003.jpg"
        with mock.patch.object(face_mesh, "find_with", found), contextlib.redirect_stdout(io.StringIO()) as said:
            with mock.patch.object(sys, "argv", ["evaluate.py", "--pack", str(self.pack), "--weights", str(weights), "--out", str(out),
                                                 "--photos", str(photo)]):
                evaluate.main()
        self.assertEqual({p.name for p in out.iterdir()}, {"evaluation.json", "aus.png", "emotions.png"})
        self.assertIn("AU26 right 0.00", said.getvalue())
        self.assertIn("0003.jpg: SSIM", said.getvalue())

    def test_a_photo_without_a_face_is_told(self):
        nothing = lambda python, pictures: np.full((len(pictures), 478, 3), np.nan)
        photo = self.folder / "data" / "faces" / "0003.jpg"
        with mock.patch.object(face_mesh, "find_with", nothing):
            with self.assertRaisesRegex(TrainingError, r"0003.jpg: no face found in it"):
                evaluate.photo_portrait(photo, self.faces, "")


class Prototypes(unittest.TestCase):
    def test_dressed_prototypes_contain_the_tables(self):
        dressed = pairs.dressed_prototypes()
        self.assertEqual(dressed.shape, (12, 17))
        self.assertTrue(torch.equal(dressed[0], prototype("happiness")))


if __name__ == "__main__":
    unittest.main()
