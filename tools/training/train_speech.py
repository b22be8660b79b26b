"""Trains Model B, speech -> AUs, and writes what `emoengine convert --layout speech` takes.

  python train_speech.py --data DATA/speech --out out/speech            # all speakers
  python train_speech.py --data DATA/speech --out out/fold0 --hold-out 01 02 03 04

DATA holds clips that a clips.csv lists, RAVDESS clips, or your own clips and videos with OpenFace CSV files beside them
(speech_data.py). After each epoch the state goes to OUT/member0/state.pth; the same command carries on from it, to the same
result as without a break.
"""
import dataclasses
import math
import pathlib
import time

import torch
import torch.nn.functional as F

from common import (EMOTIONS, NEUTRAL_NORM, TrainingError, check_finite, load_checkpoint, option, parse_options, read_emotions, run,
                    save_checkpoint, seed_all, unit_prototypes)
from speech_augment import augment
from speech_data import feature_scale, load_clips, speakers
from speech_features import SpeechConfig
from speech_model import SpeechModel, batch_input, export, lifted, merged, pad_mels, stretched

RECIPE = "speech"


@dataclasses.dataclass
class Options:
    data: str = option(dataclasses.MISSING, "folders of clips", many=True)
    out: str = option(dataclasses.MISSING, "folder for state.pth, speech.pth and speech.json")
    cache: str = option("", "file that keeps the spectrograms between runs; empty: none")
    corpora: str = option((), "corpora to hear of clips.csv; none named: all", many=True)
    hold_out: str = option((), "speakers to leave out of training", many=True)
    balance: int = option(0, "clips an epoch of each emotion of each corpus, whatever their number; 0: every clip once")
    epochs: int = option(40, "passes over the clips")
    batch: int = option(24, "clips a step")
    rate: float = option(3e-3, "highest learning rate; it rises for a tenth of the steps, then falls as a cosine")
    weight_decay: float = option(1e-2, "of AdamW")
    dropout: float = option(0.3, "before the FC layer, and between LSTM layers")
    average: float = option(0.995, "the weights kept are a running mean with this factor a step")
    copies: int = option(2, "degraded copies (noise, echo, telephone) of each clip")
    degraded_share: float = option(0.45, "how often such a copy is heard instead of the clean clip")
    synthetic: bool = option(True, "also hear styled espeak-ng speech, and sounds that are no speech as neutral")
    gain_db: float = option(12.0, "level changes of up to this")
    longest: int = option(280, "frames; of longer clips a random part of this length is heard, or padding would rule")
    ramp: float = option(0.3, "share of the epochs over which the changes to the clips grow from nothing to all")
    live_share: float = option(0.5, "how often a clip is heard as a stream hears it, whose level and mean are those of what came before")
    window_share: float = option(0.1, "how often a random window of states, not all, is averaged")
    mse_weight: float = option(2.0, "of the AUs' squared error")
    reading_weight: float = option(1.0, "of the cross-entropy of the emotion that the engine reads from the AUs")
    head_weight: float = option(0.3, "of the cross-entropy of the classifier that is dropped afterwards")
    order_weight: float = option(0.4, "of the loss that asks strong readings for larger AUs than normal ones")
    hidden: int = option(128, "LSTM states of a member")
    layers: int = option(1, "LSTM layers")
    bidirectional: bool = option(False, "a second LSTM from the end")
    stride: int = option(3, "every n-th frame reaches the LSTM")
    mean_subtracted: bool = option(True, "subtract the utterance's mean features")
    top_db: float = option(35.0, "floor of the log-mel spectrogram under the level of its voice")
    f_max_hz: float = option(5400.0, "end of the mel bands; CREMA-D, recorded at 11 kHz, has nothing above 5.5 kHz")
    voice_change_db: float = option(2.5, "steadier sounds are no voice; 0: all are, and levels count from the loudest frame")
    voice_over_noise_db: float = option(6.0, "how far a voice lies over the noise floor")
    voice_hold_frames: int = option(15, "frames kept after each frame of voice")
    level_frames: int = option(20, "the level of a voice is the one that so many frames reach")
    n_mfcc: int = option(39, "coefficients; 13 with --deltas makes 39 features too")
    deltas: bool = option(False, "append first and second differences")
    sharpness: float = option(16.0, "how far the engine draws answers to single emotions (emotion_sharpness of the weight "
                              "file); 0: not, for clips with AUs from OpenFace, which are no prototypes")
    stretch: float = option(1.4, "after training answers are moved so many times as far from the threshold of neutral; 1: not")
    lifts: str = option(("happiness=0.1", "sadness=0.15"), "lengths added to answers along the prototypes of emotions, which "
                        "uncertain ones show too little or too much", many=True)
    members: int = option(2, "networks that are trained apart, each with its own seed, and merged into one")
    seed: int = option(0, "of everything random")
    precision: str = option("fp32", "of the LSTM in training; bf16 takes 0.6 of the time with AVX512-BF16", choices=["fp32", "bf16"])
    threads: int = option(1, "CPU threads")

    def speech_config(self):
        return SpeechConfig(lstm_hidden=self.hidden, lstm_layers=self.layers, bidirectional=self.bidirectional,
                            frame_stride=self.stride, utterance_mean_subtracted=self.mean_subtracted,
                            n_mfcc=self.n_mfcc, deltas=self.deltas, top_db=self.top_db, emotion_sharpness=self.sharpness,
                            f_max_hz=self.f_max_hz, voice_change_db=self.voice_change_db,
                            voice_over_noise_db=self.voice_over_noise_db, voice_hold_frames=self.voice_hold_frames,
                            level_frames=self.level_frames)


def batches(clips, size, generator):
    """Lists of clip indices, each clip once. Sorting by length or keeping pairs together would save padding, and learns
    at half the pace: alike clips make alike gradients."""
    return [order.tolist() for order in torch.randperm(len(clips), generator=generator).split(size)]


def balanced(clips, each, generator):
    """Indices of an epoch: `each` clips of every emotion of every corpus, drawn anew until there are enough, and what is no
    speech or was made. each = 0: all."""
    groups = {}
    for i, clip in enumerate(clips):
        groups.setdefault((clip.corpus, clip.emotion) if each and clip.kind == "speech" else None, []).append(i)
    drawn = list(groups.pop(None, []))
    for indices in groups.values():
        rounds = [torch.randperm(len(indices), generator=generator) for _ in range(math.ceil(each / len(indices)))]
        drawn += [indices[i] for i in torch.cat(rounds)[:each].tolist()]
    return drawn


def pairs_of(emotion, strength):
    """Positions (k, 2) in a batch of a normal and a strong clip of one emotion. emotion, strength (N)."""
    same = (emotion[:, None] == emotion) & (emotion > 0)
    return (same & (strength[:, None] == 1) & (strength == 2)).nonzero()


def random_part(mel, longest, generator):
    """At most so many frames of a spectrogram, from anywhere."""
    begin = int(torch.randint(max(0, len(mel) - longest) + 1, (), generator=generator))
    return mel[begin:begin + longest]


def reading_logits(au):
    """Logits (N, 7) over EMOTIONS whose maximum is what the engine reads: projections on the prototypes against the
    threshold of neutral. 8 makes the distance of fear from surprise at strength 0.6, 0.39, a clear 3."""
    return 8 * torch.cat([torch.full_like(au[:, :1], NEUTRAL_NORM), au @ unit_prototypes().T], 1)


def losses(au, head, clips, options):
    """The terms of the loss by name, weighted."""
    target = torch.stack([clip.target for clip in clips])
    emotion = read_emotions(target)
    terms = {
        "mse": options.mse_weight * F.mse_loss(au, target),
        "reading": options.reading_weight * F.cross_entropy(reading_logits(au), emotion, label_smoothing=0.1),
        "head": options.head_weight * F.cross_entropy(head, emotion, label_smoothing=0.1),
    }
    normal, strong = pairs_of(emotion, torch.tensor([clip.strength for clip in clips])).T
    if len(normal):
        size = au.norm(dim=1)
        terms["order"] = options.order_weight * F.softplus(1 - 5 * (size[strong] - size[normal])).mean()
    return terms


def random_windows(lengths, share, generator, shortest=25):
    """Windows (N, 2) of states: for a share of the clips at least `shortest` states from anywhere, else all."""
    n = lengths.float()
    kept = torch.where(torch.rand(len(lengths), generator=generator) < share, torch.rand(len(lengths), generator=generator), 1.0)
    size = torch.maximum(n * kept, n.clamp(max=shortest)).long()
    begin = ((lengths - size + 1) * torch.rand(len(lengths), generator=generator)).long()
    return torch.stack([begin, begin + size], 1)


class Training:
    """One run: model, optimiser and random state, which state() and restore() carry over a break."""

    def __init__(self, options, clips):
        self.options = options
        self.clips = [clip for clip in clips if clip.speaker not in options.hold_out]
        if not any(clip.kind == "speech" for clip in self.clips):
            raise TrainingError(f"{options.data}: no speech is left for training; hold out fewer speakers")
        seed_all(options.seed)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.config = options.speech_config()
        feature_scale([clip for clip in self.clips if clip.kind == "speech"], self.config)
        self.model = SpeechModel(self.config, options.dropout)
        self.average = SpeechModel(self.config)
        self.average.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), options.rate, weight_decay=options.weight_decay)
        drawn = len(balanced(self.clips, options.balance, torch.Generator()))
        self.steps = options.epochs * math.ceil(drawn / options.batch)
        self.step = self.epoch = 0

    def settings(self):
        """The options that decide the states, for a resumed run to agree on."""
        kept = dataclasses.asdict(self.options)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in kept.items()
                if k not in ("out", "cache", "threads", "sharpness", "stretch", "lifts")}

    def state(self):
        return {"recipe": RECIPE, "settings": self.settings(), "epoch": self.epoch, "step": self.step,
                "model": self.model.state_dict(), "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state(),
                "torch_rng": torch.get_rng_state()}

    def restore(self, path):
        state = load_checkpoint(path, RECIPE)
        changed = [k for k, v in self.settings().items() if state["settings"].get(k) != v]
        if changed:
            raise TrainingError(f"{path}: was made with --{changed[0].replace('_', '-')} {state['settings'].get(changed[0])}, "
                                f"now {self.settings()[changed[0]]}; give the same options, or another --out")
        self.epoch, self.step = state["epoch"], state["step"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch_rng"])

    def rate(self):
        """Of the next step."""
        rise = max(1, self.steps // 10)
        if self.step < rise:
            return self.options.rate * (0.05 + 0.95 * self.step / rise)
        return self.options.rate * (0.001 + 0.5 * (1 + math.cos(math.pi * (self.step - rise) / max(1, self.steps - rise))))

    def batch_loss(self, clips):
        options, generator = self.options, self.generator
        amount = min(1.0, self.step / max(1.0, options.ramp * self.steps))
        versions = [1 + int(torch.randint(len(clip.mels) - 1, (), generator=generator))
                    if len(clip.mels) > 1 and torch.rand((), generator=generator) < amount * options.degraded_share else 0
                    for clip in clips]
        live = torch.tensor([bool(clip.live) and len(clip.live[v]) > 0 for clip, v in zip(clips, versions)])
        live &= torch.rand(len(clips), generator=generator) < options.live_share
        mels = [clip.live[v] if as_stream else clip.mels[v][:, None].expand(-1, 2, -1)
                for clip, v, as_stream in zip(clips, versions, live.tolist())]
        mel, lengths = pad_mels([random_part(mel, options.longest, generator) for mel in mels])
        mel, lengths = augment(mel, lengths, generator, amount, options.gain_db, options.top_db,
                               options.level_frames if options.voice_change_db > 0 else 0, live)
        first = int(torch.randint(self.config.frame_stride, (), generator=generator))
        x, lengths = batch_input(mel[:, :, 0], lengths, self.config, first, live, mel[:, :, 1])
        windows = random_windows(lengths, amount * options.window_share, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            au, head = self.model(x, lengths, windows)
        return sum(losses(au.float(), head.float(), clips, options).values())

    def run_epoch(self, checkpoint):
        """One pass; returns the mean loss."""
        self.model.train()
        clips = [self.clips[i] for i in balanced(self.clips, self.options.balance, self.generator)]
        total, order = 0.0, batches(clips, self.options.batch, self.generator)
        for indices in order:
            loss = self.batch_loss([clips[i] for i in indices])
            check_finite(loss.item(), f"epoch {self.epoch + 1}", checkpoint)
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate()
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            self.update_average()
            total += loss.item()
        self.epoch += 1
        return total / len(order)

    @torch.no_grad()
    def update_average(self):
        # The first steps count less: a mean over steps until there are enough of them.
        keep = min(self.options.average, self.step / (self.step + 10))
        for mean, now in zip(self.average.parameters(), self.model.parameters()):
            mean.lerp_(now, 1 - keep)

    def run(self, checkpoint, report=print):
        """To the last epoch, from wherever it stands. The state is saved after each epoch."""
        while self.epoch < self.options.epochs:
            started = time.monotonic()
            loss = self.run_epoch(checkpoint)
            save_checkpoint(checkpoint, self.state())
            report(f"epoch {self.epoch}/{self.options.epochs}: loss {loss:.4f}, {time.monotonic() - started:.1f} s")
        return self.average


def train_member(options, clips, report):
    """One trained network; resumes from OUT/state.pth where there is one."""
    checkpoint = pathlib.Path(options.out) / "state.pth"
    training = Training(options, clips)
    if checkpoint.exists():
        training.restore(checkpoint)
        report(f"{checkpoint}: carrying on after epoch {training.epoch}")
    return training.run(checkpoint, report)


def parse_lifts(lifts):
    """{emotion: length} of texts such as "happiness=0.1"."""
    table = {}
    for text in lifts:
        emotion, _, length = text.partition("=")
        try:
            table[emotion] = float(length)
        except ValueError:
            table[emotion] = math.nan
        if emotion not in EMOTIONS[1:] or not math.isfinite(table[emotion]):
            raise TrainingError(f"--lifts {text}: no such lift; write EMOTION=LENGTH with one of {', '.join(EMOTIONS[1:])}")
    return table


def train(options, clips, report=print):
    """The trained model: the members, in OUT/member0 and so on, merged, stretched and lifted."""
    if options.members < 1 or (options.members > 1 and options.bidirectional):
        raise TrainingError(f"--members {options.members}: needs at least 1, and 1 alone with --bidirectional")
    lifts = parse_lifts(options.lifts)
    members = [
        train_member(dataclasses.replace(options, out=str(pathlib.Path(options.out) / f"member{k}"), members=1,
                                         seed=1000 * options.seed + k), clips, lambda line, k=k: report(f"member {k}: {line}"))
        for k in range(options.members)]
    return lifted(stretched(merged(members), options.stretch), lifts)


def main():
    options = parse_options(Options, __doc__.splitlines()[0])
    torch.set_num_threads(options.threads)
    clips = load_clips(options.data, options.speech_config(), options.copies, options.seed, options.synthetic,
                       options.cache, options.corpora)
    unknown = set(options.hold_out) - set(speakers(clips))
    if unknown:
        raise TrainingError(f"--hold-out {min(unknown)}: no such speaker; there are {', '.join(speakers(clips))}")
    model = train(options, clips, lambda line: print(line, flush=True))
    out = pathlib.Path(options.out)
    export(model, out / "speech.pth", out / "speech.json")
    print(f"{out / 'speech.pth'}, {out / 'speech.json'}: written")


if __name__ == "__main__":
    run(main)
