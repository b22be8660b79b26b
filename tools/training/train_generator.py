"""Trains the generator (AUs, photo -> face) on a pack that pack.py made.

    python train_generator.py --pack faces.npz --out run.pth --minutes 480                          # stage 1, from noise
    python train_generator.py --pack faces.npz --out more.pth --start weights.pth --minutes 60      # from weights
    python train_generator.py --pack faces.npz --out gan.pth --start weights.pth --stage adversarial --minutes 60

Called again with an --out that exists, it goes on from there. The state in --out holds everything; --weights receives the
averaged weights, as the converter and evaluate.py read them.
"""
import contextlib
import copy
import dataclasses
import math
import pathlib
import time
import types

import torch

import losses
from common import (TrainingError, check_finite, load_checkpoint, load_tensors, option, parse_options, run, save_checkpoint,
                    seed_all)
from generator import Critic, Generator, generator_of
from muon import Muon
from pack import PackedFaces
from pairs import Pairs, seeded

RECIPE = "generator"
SIZE, COARSE_SIZE = 128, 64
CRITIC_STEPS = 5  # of the critic for one of the generator


@dataclasses.dataclass
class Options:
    pack: str = option("faces.npz", "training pack")
    out: str = option("generator_state.pth", "state file: resumed when it exists")
    weights: str = option("", "also write the averaged weights here (a plain state dict)")
    start: str = option("", "weights or state to start from, with a fresh optimiser; ignored when resuming")
    start_critic: str = option("", "the same for the critic")
    critic: str = option("", "also write the critic's weights here")
    half: bool = option(False, "write --weights and --critic in fp16, half the size")
    stage: str = option("supervised", "which losses", choices=["supervised", "adversarial"])
    filters: int = option(64, "filters of the first layer; with --start as there")
    blocks: int = option(6, "residual blocks; with --start as there")
    au_gain: float = option(8., "size of the AU kernels at the start from noise, times the usual")
    minutes: float = option(0., "length of the run, over all resumes")
    steps: int = option(0, "length of the run in steps; the shorter of both counts")
    stop_after: int = option(0, "leave off after so many steps of this call, to be resumed; 0: never")
    batch: int = option(4, "pictures a step")
    batches_per_chapter: int = option(16, "batches rendered at once")
    reuse: int = option(2, "times that each rendered pair is used")
    rate: float = option(1e-3, "highest learning rate")
    warm_up: int = option(100, "steps to reach it")
    hold: float = option(0., "share of the run at the highest rate, before the cosine")
    coarse: float = option(0.2, f"share of the run at {COARSE_SIZE} pixels")
    average: float = option(0.998, "decay of the averaged weights")
    supervised_weight: float = option(1., "of stage 1's loss in the adversarial stage")
    critic_weight: float = option(0.05, "of the critic's score")
    au_weight: float = option(1., "of the critic's reading of the AUs")
    cycle_weight: float = option(1., "of the way back to the photo")
    mask_weight: float = option(0.01, "of the mask's size")
    smooth_weight: float = option(0.1, "of the mask's roughness")
    penalty_weight: float = option(10., "of the critic's gradient penalty")
    critic_rate: float = option(1e-4, "learning rate of the critic")
    critic_filters: int = option(64, "filters of the critic's first layer")
    seed: int = option(1, "of weights and data; give each slice that starts from weights its own")
    device: str = option("auto", "auto, cpu or cuda")
    precision: str = option("auto", "auto is bf16 on a GPU, fp32 on a CPU", choices=["auto", "fp32", "bf16"])
    compile: bool = option(True, "torch.compile the generator on a GPU")
    threads: int = option(0, "CPU threads; 0: as PyTorch likes")
    report: int = option(50, "steps between reports")
    save_minutes: float = option(4., "minutes between saved states")


class Run:
    """Networks, optimisers and the place in the run."""

    def __init__(self, options, generator, device):
        self.o, self.device = options, device
        self.step, self.elapsed = 0, 0.0
        memory = torch.channels_last if device.type == "cuda" else torch.contiguous_format  # on CPUs NCHW was faster
        self.generator = generator.to(device).to(memory_format=memory)
        self.averaged = copy.deepcopy(self.generator)
        inner, outer = [], []
        for name, p in self.generator.named_parameters():
            (inner if p.dim() == 4 and name.startswith("main.") and name != "main.0.weight" else outer).append(p)
        self.optimisers = {"muon": Muon(inner, options.rate), "adam": torch.optim.Adam(outer, options.rate, betas=(.9, .99))}
        self.critic = self.critic_optimiser = None
        if options.stage == "adversarial":
            self.critic = open_critic(options).to(device).to(memory_format=memory)
            self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), options.critic_rate, betas=(.5, .99))
        bf16 = options.precision == "bf16" or (options.precision == "auto" and device.type == "cuda")
        self.autocast = lambda: torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()
        can_compile = options.compile and device.type == "cuda" and hasattr(torch, "compile")
        if can_compile:
            from torch import _dynamo
            _dynamo.config.suppress_errors = True  # a machine that cannot compile trains uncompiled
        self.forward = torch.compile(self.generator) if can_compile else self.generator
        self.started = time.monotonic()

    # ---- where the run stands

    def minutes(self):
        return self.elapsed + (time.monotonic() - self.started) / 60

    def progress(self, step=None):
        """0 at the start, 1 at the end; of a run by steps also at another step."""
        by_time = self.minutes() / self.o.minutes if self.o.minutes else 0
        by_steps = (self.step if step is None else step) / self.o.steps if self.o.steps else 0
        return min(1.0, max(by_time, by_steps))

    def rate(self, progress):
        """Warm-up, hold, cosine down to 3 %."""
        down = max(0.0, progress - self.o.hold) / max(1e-9, 1 - self.o.hold)
        warm = min(1.0, (self.step + 1) / max(1, self.o.warm_up))
        return self.o.rate * warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * down)))

    # ---- one step

    def train(self, batch, progress):
        """Trains on (photo, target, au, own); returns the loss, the gradient's norm and the share of the change missing."""
        photo, target, au, own = batch
        if self.critic and not self.train_critic(photo, target, au):
            return None
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self.rate(progress)
        with self.autocast():
            picture, mask, colour = self.forward(photo, au)
        loss, missing = losses.supervised(photo, target, picture, mask, colour)
        if self.critic:
            self.critic.requires_grad_(False)
            with self.autocast():
                added = losses.adversarial(self.critic, self.forward, photo, own, au, picture, mask, self.weights())
            self.critic.requires_grad_(True)
            loss = self.o.supervised_weight * loss + added
        self.generator.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        self.average()
        return loss.detach(), norm, missing

    def train_critic(self, photo, target, au):
        """One step of the critic; whether the generator's turn has come. Real are the teacher's pictures: only they show
        every AU, each with its value. The penalty needs second derivatives, so no autocast."""
        with torch.no_grad(), self.autocast():
            fake = self.forward(photo, au)[0]
        share = torch.rand(len(photo), generator=seeded(self.o.seed, self.step, 11)).to(self.device)
        loss = losses.critic_loss(self.critic, target, au, fake, share, self.o.au_weight, self.o.penalty_weight)
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.critic_optimiser.step()
        return (self.step + 1) % CRITIC_STEPS == 0

    def weights(self):
        o = self.o
        return types.SimpleNamespace(critic=o.critic_weight, au=o.au_weight, cycle=o.cycle_weight, mask=o.mask_weight,
                                     smooth=o.smooth_weight)

    @torch.no_grad()
    def average(self):
        keep = min(self.o.average, (self.step + 1) / (self.step + 20))
        for mean, now in zip(self.averaged.parameters(), self.generator.parameters()):
            mean.lerp_(now, 1 - keep)

    # ---- the state file

    def parts(self):
        """Networks and optimisers by name."""
        networks = {"generator": self.generator, "averaged": self.averaged, "critic": self.critic}
        optimisers = {**self.optimisers, "critic_adam": self.critic_optimiser}
        return [{name: part for name, part in parts.items() if part} for parts in (networks, optimisers)]

    def save(self):
        """Tensors, whole numbers and text only: torch 1.13 reads no floats without running code from the file. Of the
        optimisers the moments are kept; their rates come from the options."""
        networks, optimisers = self.parts()
        state = {name: net.state_dict() for name, net in networks.items()}
        state.update({name: optimiser.state_dict()["state"] for name, optimiser in optimisers.items()})
        seconds = round(60 * self.minutes())
        save_checkpoint(self.o.out, dict(state, recipe=RECIPE, stage=self.o.stage, step=self.step, elapsed_s=seconds))
        kind = torch.float16 if self.o.half else torch.float32
        if self.o.weights:
            save_checkpoint(self.o.weights, plain(self.averaged, kind))
        if self.o.critic and self.critic:
            save_checkpoint(self.o.critic, plain(self.critic, kind))

    def load(self, state):
        networks, optimisers = self.parts()
        for name, net in networks.items():
            net.load_state_dict(state[name])
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(dict(optimiser.state_dict(), state=state[name]))
        self.step, self.elapsed = state["step"], state["elapsed_s"] / 60


def plain(net, kind=torch.float32):
    """A state dict of tensors in row-major order, on the CPU."""
    return {key: value.detach().cpu().to(kind).contiguous() for key, value in net.state_dict().items()}


def read_weights(path):
    """The state dict in a file of weights; of a state file, the averaged ones."""
    state = load_tensors(path)
    return state["averaged"] if isinstance(state, dict) and "averaged" in state else state


def open_critic(options):
    critic = Critic(options.critic_filters, SIZE)
    if options.start_critic:
        try:
            critic.load_state_dict({key: value.float() for key, value in read_weights(options.start_critic).items()})
        except (RuntimeError, AttributeError) as error:
            raise TrainingError(f"{options.start_critic}: not a critic of {options.critic_filters} filters "
                                f"({' '.join(str(error).split())[:160]})") from None
    return critic


def open_run(options):
    """A run at its start, or where its state file left it."""
    if not options.minutes and not options.steps:
        raise TrainingError("train_generator: how long? Give --minutes or --steps")
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    if options.threads:
        torch.set_num_threads(options.threads)
    seed_all(options.seed)
    if pathlib.Path(options.out).exists():
        state = load_checkpoint(options.out, RECIPE)
        if state["stage"] != options.stage:
            raise TrainingError(f"{options.out}: a state of the {state['stage']} stage; "
                                "give another --out, and this one as --start")
        result = Run(options, generator_of(state["generator"], options.out), device)
        result.load(state)
        return result
    net = generator_of(read_weights(options.start), options.start) if options.start else Generator(
        options.filters, options.blocks, options.au_gain)
    return Run(options, net, device)


def train(options):
    """Runs to the end or to --stop-after; returns the run. Its state file always holds a state with finite losses."""
    faces = PackedFaces(options.pack)
    r = open_run(options)
    faces.load_photos(r.device)
    pairs = Pairs(faces, faces.teacher(r.device), options.seed, options.batch, options.batches_per_chapter, options.reuse)
    first, saved, seen, coarse = r.step, r.minutes(), [], None
    while (progress := r.progress()) < 1 and not (options.stop_after and r.step - first >= options.stop_after):
        into_chapter = r.step % (options.batches_per_chapter * options.reuse)
        if into_chapter == 0 or coarse is None:  # a chapter has one size, wherever a resumed run enters it
            coarse = r.progress(r.step - into_chapter) < options.coarse and options.stage == "supervised"
        result = r.train(pairs(r.step, COARSE_SIZE if coarse else SIZE), progress)
        r.step += 1
        if result is None:
            continue
        seen.append(result)
        time_to_save = r.minutes() - saved > options.save_minutes
        if len(seen) >= options.report or time_to_save:
            report(r, seen, progress)
            seen = []
        if time_to_save:
            r.save()
            saved = r.minutes()
    if seen:
        report(r, seen, r.progress())
    r.save()
    return r


def report(r, seen, progress):
    """Prints the means since the last report; stops the run when a loss or a gradient is not finite."""
    loss, norm, missing = torch.stack([torch.stack(row) for row in seen]).mean(0).tolist()
    check_finite(loss + norm, f"train_generator: step {r.step}", r.o.out)
    print(f"step {r.step} {r.minutes():.1f} min rate {r.rate(progress):.1e} loss {loss:.4f} change missing {missing:.3f}",
          flush=True)


def main():
    r = train(parse_options(Options, __doc__.splitlines()[0]))
    print(f"{r.o.out}: {r.step} steps, {r.minutes():.1f} minutes")


if __name__ == "__main__":
    run(main)
