"""Measures Model B by cross-validation with speakers kept apart, and a finished model on sounds made for the purpose.

  python evaluate_speech.py --data DATA/speech --out out/cv                 # trains one model a fold, then measures
  python evaluate_speech.py --data DATA/speech --out out/final --model out/speech/speech.pth
  python evaluate_speech.py --data DATA/speech_more --out out/kept --engine build/bin/emoengine --weights speech.safetensors

The third form tells how many of the clips keep their reading when a click, a beep or silence is added, or one of two channels
is turned over. Hold the speakers out of training.

The first form takes every option of train_speech.py and resumes like it. Either prints a summary and writes
OUT/report.json. With --model, the speakers were heard in training: only synthetic speech and no speech mean something.
"""
import dataclasses
import json
import pathlib
import subprocess
import tempfile

import torch

from common import EMOTIONS, TrainingError, option, parse_options, read_emotions, read_openface, run, write_json
from speech_data import SENTENCES, find_clips, fold_speakers, load_clips, load_pcm
from speech_features import SAMPLE_RATE_HZ, trimmed_log_mel
from speech_model import export, load_export, predict
from speech_signals import NO_SPEECH, STYLES, espeak, has_espeak, no_speech, telephone, with_echo, with_gain, with_noise
from train_speech import Options, train

VOICES = ["en-gb-x-gbclan", "en-us+m1", "en-us+f5", "en-029+f4"]  # none of training's
TEXT = "I am going to tell you something about yesterday."  # nor is this

CONDITIONS = {
    "clean": lambda pcm, generator: pcm,
    "noise 10 dB": lambda pcm, generator: with_noise(pcm, 10, generator),
    "echo 0.5 s": lambda pcm, generator: with_echo(pcm, 0.5, 3, generator),
    "telephone": lambda pcm, generator: telephone(pcm),
    "gain +12 dB": lambda pcm, generator: with_gain(pcm, 12),
    "gain -12 dB": lambda pcm, generator: with_gain(pcm, -12),
}


@dataclasses.dataclass
class EvaluationOptions(Options):
    folds: int = option(5, "of the cross-validation")
    model: str = option("", "a finished .pth with its .json beside it; no training then")
    clips: str = option("", "folder of clips whose reading is to be listed")
    engine: str = option("", "the emoengine program; with --weights, what disturbs its readings is measured, no training then")
    weights: str = option("", "a converted speech model, for --engine")
    speakers: str = option((), "speakers to measure with --engine; none named: all", many=True)
    most: int = option(300, "clips to measure with --engine, spread over the data")
    robust_every: int = option(3, "the robustness table uses every n-th clip")


def scores(au, clips):
    """Figures of predicted AUs (N, 17) in [0,1] against the clips' own."""
    target = torch.stack([clip.target for clip in clips])
    truth, read = torch.tensor([clip.emotion for clip in clips]), read_emotions(au)
    confusion = torch.zeros(len(EMOTIONS), len(EMOTIONS), dtype=torch.long)
    confusion.index_put_((truth, read), torch.ones(len(clips), dtype=torch.long), accumulate=True)
    size = {(clip.pair, clip.strength): norm for clip, norm in zip(clips, au.norm(dim=1).tolist()) if clip.pair}
    pairs = [(norm, size[pair, 2]) for (pair, strength), norm in size.items() if strength == 1 and (pair, 2) in size]
    return {
        "clips": len(clips),
        "accuracy": (truth == read).float().mean().item(),
        "au_mae": (au - target).abs().mean().item(),
        "order_of_strengths": sum(strong > normal for normal, strong in pairs) / len(pairs) if pairs else None,
        "recall": {name: confusion[i, i].item() / confusion[i].sum().item()
                   for i, name in enumerate(EMOTIONS) if confusion[i].sum()},
        "confusion": confusion.tolist(),
    }


def predict_pcm(model, clips_pcm):
    """AUs (N, 17) of clips, as the engine answers: silence gives zeros."""
    mels = [trimmed_log_mel(pcm, model.config) for pcm in clips_pcm]
    au = torch.zeros(len(mels), len(model.config.au_names))
    heard = [i for i, mel in enumerate(mels) if mel is not None]
    if heard:
        au[heard] = predict(model, [mels[i] for i in heard])
    return au


def robustness(model, heard, seed):
    """Scores in each condition of [(pcm, Clip)]."""
    table = {}
    for name, change in CONDITIONS.items():
        generator = torch.Generator().manual_seed(seed)
        au = predict_pcm(model, [change(pcm, generator) for pcm, _ in heard])
        table[name] = {k: v for k, v in scores(au, [clip for _, clip in heard]).items()
                       if k in ("clips", "accuracy", "au_mae", "order_of_strengths")}
    return table


def synthetic_speech(model):
    """What the model reads from styled espeak-ng voices that it never heard; None without espeak-ng."""
    if not has_espeak():
        return None
    assert TEXT not in SENTENCES
    rows = {}
    for emotion, style in STYLES.items():
        au = predict_pcm(model, [espeak(TEXT, style, voice) for voice in VOICES])
        rows[emotion] = [EMOTIONS[i] for i in read_emotions(au).tolist()]
    emotional = [(emotion, read) for emotion, readings in rows.items() if emotion != "neutral" for read in readings]
    return {"readings": rows, "accuracy": sum(e == r for e, readings in rows.items() for r in readings) / (len(rows) * len(VOICES)),
            "not_neutral_when_styled": sum(read != "neutral" for _, read in emotional) / len(emotional)}


def not_speech(model, seed, each=20):
    """Share of neutral readings of sounds that are no speech, by kind, with another seed than training's; and the largest
    AU that digital silence gets."""
    generator = torch.Generator().manual_seed(seed + 1_000_003)
    table = {}
    for name in NO_SPEECH:
        au = predict_pcm(model, [no_speech(name, generator) for _ in range(each)])
        table[name] = (read_emotions(au) == 0).float().mean().item()
    table["largest AU of silence"] = predict_pcm(model, [torch.zeros(32_000)]).max().item()
    return table


def readings(model, folder):
    """{file name: reading} of a folder of clips."""
    table = {}
    for path in sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".wav", ".flac")):
        au = predict_pcm(model, [load_pcm(path)])
        strongest = au[0].argsort(descending=True)[:4].tolist()
        table[path.name] = {"emotion": EMOTIONS[read_emotions(au)[0]], "length": au.norm().item(),
                            "strongest": {model.config.au_names[i]: round(au[0, i].item(), 2) for i in strongest}}
    if not table:
        raise TrainingError(f"{folder}: no .wav or .flac files under it")
    return table


def disturbances():
    """What must not change a reading: {name: function of (samples,), which gives (samples) or (samples, channels)}."""
    click, beep = torch.zeros(1600), 0.5 * torch.sin(2 * torch.pi * 1000 / SAMPLE_RATE_HZ * torch.arange(4800))
    click[200:360] = 1  # 10 ms at full scale
    gap, silence = torch.zeros(4800), torch.zeros(3 * SAMPLE_RATE_HZ)
    return {
        "click": lambda pcm: torch.cat([click, pcm]),
        "click, quiet clip": lambda pcm: torch.cat([click, 0.1 * pcm]),
        "beep 0.3 s": lambda pcm: torch.cat([beep, gap, pcm]),
        "silence 3 s": lambda pcm: torch.cat([silence, pcm, silence]),
        "out of phase": lambda pcm: torch.stack([pcm, -0.95 * pcm], 1),
    }


def engine_readings(engine, weights, clips):
    """Emotions (N) that the program reads from clips, (samples) or (samples, channels) each."""
    import soundfile
    with tempfile.TemporaryDirectory() as folder:
        sounds, tables = pathlib.Path(folder) / "sounds", pathlib.Path(folder) / "tables"
        sounds.mkdir()
        for i, pcm in enumerate(clips):
            soundfile.write(sounds / f"{i:05}.wav", pcm.numpy(), SAMPLE_RATE_HZ, subtype="FLOAT")
        done = subprocess.run([engine, "aus", "--audio", sounds, "-o", f"{tables}/", "--speech", weights, "--quiet"],
                              capture_output=True, text=True)
        if done.returncode:
            raise TrainingError(f"{engine}: {done.stderr.strip()}")
        return read_emotions(torch.cat([read_openface(tables / f"{i:05}.csv") for i in range(len(clips))]))


def kept_readings(options):
    """Share of the clips' readings that each disturbance leaves."""
    found = [(path, clip) for path, clip in find_clips(options.data, options.corpora)
             if not options.speakers or clip.speaker in options.speakers]
    if not found:
        raise TrainingError(f"{options.data}: no clips of {', '.join(options.speakers)}")
    found = found[::max(1, len(found) // options.most)][:options.most]
    clips = [load_pcm(path) for path, _ in found]
    plain = engine_readings(options.engine, options.weights, clips)
    truth = torch.tensor([clip.emotion for _, clip in found])
    table = {"clips": len(clips), "accuracy": (plain == truth).float().mean().item()}
    for name, change in disturbances().items():
        changed = engine_readings(options.engine, options.weights, [change(pcm) for pcm in clips])
        table[name] = (changed == plain).float().mean().item()
    return table


def mean_and_spread(rows):
    """{"mean", "spread"} of numbers, spread being the sample's standard deviation; the same for dicts of them, by key."""
    rows = [row for row in rows if row is not None]
    if rows and isinstance(rows[0], dict):
        return {k: mean_and_spread([row.get(k) for row in rows]) for k in dict.fromkeys(k for row in rows for k in row)}
    if not rows or not isinstance(rows[0], (int, float)):
        return None
    values = torch.tensor(rows, dtype=torch.float64)
    return {"mean": values.mean().item(), "spread": values.std().item() if len(rows) > 1 else 0.0}


def measure(model, clips, heard, options):
    """The report of one model on speakers held out of its training."""
    return {
        **scores(predict(model, [clip.mels[0] for clip in clips]), clips),
        "robustness": robustness(model, heard, options.seed),
        "synthetic_speech": synthetic_speech(model),
        "neutral_share_of_no_speech": not_speech(model, options.seed),
    }


def cross_validate(options):
    """Trains and measures one model a fold."""
    clips = load_clips(options.data, options.speech_config(), options.copies, options.seed, options.synthetic,
                       options.cache, options.corpora)
    paths = {(clip.speaker, clip.name): path for path, clip in find_clips(options.data, options.corpora)}
    names = {field.name for field in dataclasses.fields(Options)}
    rows = []
    for i, held_out in enumerate(fold_speakers(clips, options.folds)):
        out = pathlib.Path(options.out) / f"fold{i}"
        one = Options(**{k: v for k, v in vars(options).items() if k in names})
        one = dataclasses.replace(one, hold_out=tuple(held_out), out=str(out))
        model = train(one, clips, lambda line: print(f"fold {i}: {line}", flush=True))
        export(model, out / "speech.pth", out / "speech.json")
        unseen = [clip for clip in clips if clip.speaker in held_out and clip.kind == "speech"]
        heard = [(load_pcm(paths[clip.speaker, clip.name]), clip) for clip in unseen[::options.robust_every]]
        rows.append({"speakers": held_out, **measure(model, unseen, heard, options)})
        print(f"fold {i}: accuracy {rows[-1]['accuracy']:.3f}, order {rows[-1]['order_of_strengths']}, "
              f"MAE {rows[-1]['au_mae']:.3f}", flush=True)
    total = torch.tensor([row["confusion"] for row in rows]).sum(0)
    return {"options": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(options).items()},
            "over_folds": mean_and_spread([{k: v for k, v in row.items() if k not in ("speakers", "confusion")} for row in rows]),
            "confusion": {"rows are the truth, columns the reading": EMOTIONS, "counts": total.tolist()}, "folds": rows}


def summary(report):
    """The report's main figures as lines of text."""
    over = report["over_folds"]

    def figure(value):
        return f"{value['mean']:.3f} +- {value['spread']:.3f}" if value else "-"

    lines = [f"accuracy of seven    {figure(over['accuracy'])}", f"order of strengths   {figure(over['order_of_strengths'])}",
             f"AU MAE               {figure(over['au_mae'])}"]
    lines += [f"recall {name:<13} {figure(value)}" for name, value in over["recall"].items()]
    lines += [f"{name:<20} {figure(row['accuracy'])}" for name, row in over["robustness"].items()]
    if over["synthetic_speech"]:
        lines += [f"espeak-ng styles     {figure(over['synthetic_speech']['accuracy'])}"]
    lines += [f"neutral: {name:<11} {figure(value)}" for name, value in over["neutral_share_of_no_speech"].items()]
    return "\n".join(lines)


def main():
    options = parse_options(EvaluationOptions, __doc__.splitlines()[0])
    torch.set_num_threads(options.threads)
    report_path = pathlib.Path(options.out) / "report.json"
    if options.engine:
        report = {"kept readings": kept_readings(options)}
        print(json.dumps(report, indent=1))
    elif options.model:
        model = load_export(options.model)
        report = {"synthetic_speech": synthetic_speech(model), "neutral_share_of_no_speech": not_speech(model, options.seed)}
        if options.clips:
            report["clips"] = readings(model, options.clips)
        print(json.dumps(report, indent=1))
    else:
        report = cross_validate(options)
        print(summary(report))
    write_json(report_path, report)
    print(f"{report_path}: written")


if __name__ == "__main__":
    run(main)
