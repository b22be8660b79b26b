"""Trains the face reader (crop -> landmarks, confidence) on a pack and on the teacher's pictures of it.

    python reader_pictures.py --pack faces.npz --out reader_pictures.npz
    python train_reader.py --pack faces.npz --pictures reader_pictures.npz --out reader.pth --weights weights.pth --steps 6000

Called again with an --out that exists, it goes on from there. --weights receives the averaged weights with the batch norms
folded in, as the engine reads them.
"""
import contextlib
import copy
import dataclasses
import math
import pathlib
import time

import torch

from common import TrainingError, check_finite, load_checkpoint, option, parse_options, run, save_checkpoint, seed_all
from muon import Muon
from pairs import seeded
from reader import Reader, folded, read_folded, reader_of
from reader_crops import Sources, batch, held_out_batch, others_batch, weather

RECIPE = "reader"
DEGREES = (0, 30, 45)
N_OTHERS, N_FACES = 400, 80  # crops to evaluate on without a face, and with one of each kind


@dataclasses.dataclass
class Options:
    pack: str = option("faces.npz", "training pack")
    pictures: str = option("reader_pictures.npz", "what reader_pictures.py made of the pack")
    out: str = option("reader_state.pth", "state file: resumed when it exists")
    weights: str = option("", "also write the averaged weights here, folded (a plain state dict)")
    start: str = option("", "state to start from, with a fresh optimiser; ignored when resuming")
    half: bool = option(False, "write --weights in fp16, half the size")
    minutes: float = option(0., "length of the run, over all resumes")
    steps: int = option(0, "length of the run in steps; the shorter of both counts")
    stop_after: int = option(0, "leave off after so many steps of this call, to be resumed; 0: never")
    batch: int = option(64, "crops a step")
    rate: float = option(2e-3, "highest learning rate of the last layer, norms and the first convolution, by Adam")
    inner_rate: float = option(8e-3, "of the other convolutions, by Muon")
    warm_up: int = option(100, "steps to reach it")
    hold: float = option(0.2, "share of the run at the highest rate, before the cosine")
    decay: float = option(1e-3, "weight decay of the former")
    average: float = option(0.998, "decay of the averaged weights")
    confidence_weight: float = option(0.05, "of the confidence's cross entropy")
    seed: int = option(1, "of weights and data")
    precision: str = option("fp32", "arithmetic of the convolutions", choices=["fp32", "bf16"])
    threads: int = option(0, "CPU threads; 0: as PyTorch likes")
    report: int = option(100, "steps between reports")
    save_minutes: float = option(4., "minutes between saved states")
    evaluate: int = option(500, "steps between evaluations; 0: at the end only")


class Run:
    """Network, optimisers and the place in the run."""

    def __init__(self, options, net):
        self.o, self.step, self.elapsed = options, 0, 0.0
        self.net = net.to(memory_format=torch.channels_last)  # 0.46 s for 0.50 a batch of 64 in bf16, 1.0 for 1.7 in fp32
        self.averaged = copy.deepcopy(self.net).eval()
        inner, outer = [], []
        for name, p in self.net.named_parameters():
            (inner if p.dim() == 4 and name != "main.0.weight" else outer).append(p)
        # 160 steps of 32: error 0.139 by Muon at 6e-3, 0.163 at 2e-3, 0.182 by AdamW alone at 2e-3.
        self.optimisers = {"muon": Muon(inner, options.inner_rate),
                           "adam": torch.optim.AdamW(outer, options.rate, betas=(.9, .99), weight_decay=options.decay)}
        bf16 = options.precision == "bf16"
        self.autocast = lambda: torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()
        self.started = time.monotonic()

    def minutes(self):
        return self.elapsed + (time.monotonic() - self.started) / 60

    def progress(self):
        """0 at the start, 1 at the end."""
        by_time = self.minutes() / self.o.minutes if self.o.minutes else 0
        by_steps = self.step / self.o.steps if self.o.steps else 0
        return min(1.0, max(by_time, by_steps))

    def rate(self, progress):
        """Share of the highest rate: warm-up, hold, cosine down to 1 %."""
        down = max(0.0, progress - self.o.hold) / max(1e-9, 1 - self.o.hold)
        warm = min(1.0, (self.step + 1) / max(1, self.o.warm_up))
        return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * down)))

    def train(self, crops, points, progress):
        """One step; returns the loss, the landmarks' error and the confidence's cross entropy."""
        for name, highest in (("muon", self.o.inner_rate), ("adam", self.o.rate)):
            for group in self.optimisers[name].param_groups:
                group["lr"] = highest * self.rate(progress)
        with self.autocast():
            found, logits = self.net(crops.contiguous(memory_format=torch.channels_last))
        is_face = (torch.arange(len(crops)) < len(points)).float()
        error = relative_error(found[:len(points)], points).mean()
        doubt = torch.nn.functional.binary_cross_entropy_with_logits(logits, is_face)
        loss = error + self.o.confidence_weight * doubt
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in self.optimisers.values():
            optimiser.step()
        self.average()
        return torch.stack([loss, error, doubt]).detach()

    @torch.no_grad()
    def average(self):
        keep = min(self.o.average, (self.step + 1) / (self.step + 20))
        for mean, now in zip(self.averaged.state_dict().values(), self.net.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)

    def folded(self):
        kind = torch.float16 if self.o.half else torch.float32
        return {key: value.to(kind).contiguous() for key, value in folded(self.averaged.state_dict()).items()}

    def save(self):
        state = {"reader": self.net.state_dict(), "averaged": self.averaged.state_dict()}
        state.update({name: optimiser.state_dict()["state"] for name, optimiser in self.optimisers.items()})
        seconds = round(60 * self.minutes())
        save_checkpoint(self.o.out, dict(state, recipe=RECIPE, step=self.step, elapsed_s=seconds))
        if self.o.weights:
            save_checkpoint(self.o.weights, self.folded())

    def load(self, state):
        self.net.load_state_dict(state["reader"])
        self.averaged.load_state_dict(state["averaged"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(dict(optimiser.state_dict(), state=state[name]))
        self.step, self.elapsed = state["step"], state["elapsed_s"] / 60


def relative_error(found, points):
    """Mean distance of a face's landmarks (N,478,2) from where they are, in distances of the outer eye corners: (N)."""
    eyes = (points[:, 33] - points[:, 263]).norm(dim=1)
    return ((found - points).square().sum(2) + 1e-10).sqrt().mean(1) / eyes


@torch.no_grad()
def evaluate(weights, sources):
    """Figures of folded weights on people kept out of training: error in % of the distance of the outer eye corners, by kind
    of picture and roll; how surely crops with and without a face are told apart."""
    figures, faces = {}, []
    for name in sources.held_out:
        for degrees in DEGREES:
            crops, points = held_out_batch(sources, name, degrees, N_FACES)
            found, logits = read_folded(crops, weights)
            figures[f"{name} {degrees}"] = 100 * relative_error(found, points).mean().item()
            faces.append(logits)
    g = seeded(987654321)
    others = weather(torch.cat([others_batch(sources, g, 100) for _ in range(N_OTHERS // 100)]), g) * 2 - 1
    other = torch.cat([read_folded(part, weights)[1] for part in others.split(250)])
    face = torch.cat(faces)
    figures["AUC"] = (face[:, None] > other).float().mean().item()
    figures["recall at 0.99"] = (face > other.quantile(.99)).float().mean().item()  # 1 % of the others pass
    return figures


def open_run(options, sources):
    """A run at its start, or where its state file left it."""
    if not options.minutes and not options.steps:
        raise TrainingError("train_reader: how long? Give --minutes or --steps")
    if options.threads:
        torch.set_num_threads(options.threads)
    seed_all(options.seed)
    if pathlib.Path(options.out).exists():
        state = load_checkpoint(options.out, RECIPE)
        result = Run(options, reader_of(state["reader"], options.out))
        result.load(state)
        return result
    if options.start:
        return Run(options, reader_of(load_checkpoint(options.start, RECIPE)["averaged"], options.start))
    return Run(options, Reader(sources.mean_points()))


def train(options):
    """Runs to the end or to --stop-after; returns the run. Its state file always holds a state with finite losses."""
    sources = Sources(options.pack, options.pictures)
    r = open_run(options, sources)
    first, saved, seen = r.step, r.minutes(), []
    while (progress := r.progress()) < 1 and not (options.stop_after and r.step - first >= options.stop_after):
        seen.append(r.train(*batch(sources, options.seed, r.step, options.batch), progress))
        r.step += 1
        time_to_save = r.minutes() - saved > options.save_minutes
        if len(seen) >= options.report or time_to_save:
            report(r, seen, progress)
            seen = []
        if time_to_save:
            r.save()
            saved = r.minutes()
        if options.evaluate and r.step % options.evaluate == 0:
            print_figures(r, sources)
    if seen:
        report(r, seen, r.progress())
    r.save()
    print_figures(r, sources)
    return r


def print_figures(r, sources):
    figures = evaluate(folded(r.averaged.state_dict()), sources)
    print(f"step {r.step}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)


def report(r, seen, progress):
    """Prints the means since the last report; stops the run when a loss is not finite."""
    loss, error, doubt = torch.stack(seen).mean(0).tolist()
    check_finite(loss, f"train_reader: step {r.step}", r.o.out)
    print(f"step {r.step} {r.minutes():.1f} min rate {r.rate(progress):.3f} loss {loss:.4f} error {100 * error:.2f} % "
          f"doubt {doubt:.4f}", flush=True)


def main():
    r = train(parse_options(Options, __doc__.splitlines()[0]))
    print(f"{r.o.out}: {r.step} steps, {r.minutes():.1f} minutes")


if __name__ == "__main__":
    run(main)
