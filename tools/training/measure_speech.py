"""Measures finished speech models on people whom they did not hear: by corpus, sex and age, with noise, and live.

  python measure_speech.py --data DATA/speech_more DATA/speech --out out/unheard --models speech.safetensors \\
      --speakers crema-1001 crema-1002 --corpora crema-d --people people.csv

Of every corpus of DATA (RAVDESS's clips name none: "") it prints accuracy and the mean recall of the emotions that occur. What is
right is what train_speech.py would teach: what listeners heard where clips.csv has it. "noise" is white, 10 dB below the voice;
"live" is the reading when a stream's last frame of voice is heard, over the seconds that the model looks back. --people names a
table with the columns speaker, sex and age. Everything goes to OUT/report.json.
"""
import csv
import dataclasses
import pathlib

import torch

from common import TrainingError, option, parse_options, read_emotions, run, seed_all, sharpened, write_json
from evaluate_speech import predict_pcm, scores
from speech_data import find_clips, load_pcm
from speech_model import live_states, load_export
from speech_signals import with_noise

AGES = (30, 45, 200)  # groups end before these


@dataclasses.dataclass
class Options:
    data: str = option(dataclasses.MISSING, "folders of clips", many=True)
    out: str = option(dataclasses.MISSING, "folder for report.json")
    models: str = option(dataclasses.MISSING, "speech.pth with its .json beside it, or speech.safetensors", many=True)
    corpora: str = option((), "corpora to hear of clips.csv; none named: all", many=True)
    speakers: str = option((), "people to hear; none named: all", many=True)
    people: str = option("", "table with the columns speaker, sex and age; without it there are no such groups")
    most: int = option(600, "clips of a corpus, drawn at random")
    most_live: int = option(200, "of these, to hear live")
    seed: int = option(0, "of the draw and the noise")
    threads: int = option(1, "CPU threads")


def read_people(path):
    """{speaker: [names of groups]} of a table with the columns speaker, sex and age; age may be empty."""
    groups = {}
    try:
        with open(path, newline="") as lines:
            for row in csv.DictReader(lines):
                groups[row["speaker"]] = [row["sex"]] if row["sex"] else []
                if row["age"]:
                    end = next(end for end in AGES if int(row["age"]) < end)
                    groups[row["speaker"]].append(f"under {end}" if end < AGES[-1] else f"{AGES[-2]} and older")
    except (OSError, KeyError, ValueError, TypeError, StopIteration) as error:
        raise TrainingError(f"{path}: not a table with the columns speaker, sex and age: {error}") from None
    return groups


def chosen(options):
    """{corpus: [(path, Clip)]} of the clips to hear, at most `most` of each corpus, at random: names go round in people."""
    corpora = {}
    for path, clip in find_clips(options.data, options.corpora):
        if not options.speakers or clip.speaker in options.speakers:
            corpora.setdefault(clip.corpus, []).append((path, clip))
    if not corpora:
        raise TrainingError(f"{', '.join(options.data)}: no clips of {', '.join(options.speakers)}")
    generator = torch.Generator().manual_seed(options.seed)
    return {corpus: [found[i] for i in sorted(torch.randperm(len(found), generator=generator)[:options.most].tolist())]
            for corpus, found in corpora.items()}


@torch.no_grad()
def heard_live(model, pcm):
    """AUs (17) when the last frame of voice of a stream is heard; zeros when there was none."""
    states, at_s = live_states(model, pcm)
    if not len(states):
        return torch.zeros(len(model.config.au_names))
    seen = states[at_s >= at_s[-1] - model.config.live_window_s - 1e-9]
    au = model.fc(seen.mean(0) if model.config.readout == "mean" else seen[-1])
    return sharpened(au[None].clamp(0, 1), model.config.emotion_sharpness)[0]


def figures(au, clips):
    """Accuracy, mean recall and what they come from."""
    table = scores(au, clips)
    return {**table, "mean_recall": sum(table["recall"].values()) / len(table["recall"])}


def by_group(au, clips, groups):
    """{group: figures} of the people whose groups are known."""
    names = sorted({name for clip in clips for name in groups.get(clip.speaker, [])})
    members = {name: [i for i, clip in enumerate(clips) if name in groups.get(clip.speaker, [])] for name in names}
    return {name: figures(au[index], [clips[i] for i in index]) for name, index in members.items()}


def measure(model, found, groups, options):
    """The report of one model on one corpus, [(path, Clip)]."""
    pcms, clips = [load_pcm(path) for path, _ in found], [clip for _, clip in found]
    generator = torch.Generator().manual_seed(options.seed)
    au = predict_pcm(model, pcms)
    report = {"clean": figures(au, clips), "groups": by_group(au, clips, groups),
              "noise": figures(predict_pcm(model, [with_noise(pcm, 10, generator) for pcm in pcms]), clips)}
    if model.config.voice_change_db > 0:  # older models are not heard live
        some = range(0, len(clips), -(-len(clips) // options.most_live))
        live = torch.stack([heard_live(model, pcms[i]) for i in some])
        report["live"] = figures(live, [clips[i] for i in some])
        report["live"]["as_whole_clips"] = (read_emotions(live) == read_emotions(au[list(some)])).float().mean().item()
        report["live"]["whole_accuracy"] = figures(au[list(some)], [clips[i] for i in some])["accuracy"]
    return report


def summary(report):
    """Lines of text: model, corpus, and a figure for each condition and group."""
    lines = []
    for name, corpora in report.items():
        for corpus, table in corpora.items():
            rows = {"clean": table["clean"], "noise": table["noise"], **({"live": table["live"]} if "live" in table else {}),
                    **table["groups"]}
            for condition, row in rows.items():
                more = f", whole {row['whole_accuracy']:.3f}" if condition == "live" else ""
                lines.append(f"{name}  {corpus or 'ravdess':<11} {condition:<13} accuracy {row['accuracy']:.3f}{more}, "
                             f"mean recall {row['mean_recall']:.3f}, {row['clips']} clips")
            lines.append(f"{name}  {corpus or 'ravdess':<11} recall        "
                         + ", ".join(f"{emotion} {value:.2f}" for emotion, value in table["clean"]["recall"].items()))
    return "\n".join(lines)


def main():
    options = parse_options(Options, __doc__.splitlines()[0])
    torch.set_num_threads(options.threads)
    seed_all(options.seed)
    groups, corpora = read_people(options.people) if options.people else {}, chosen(options)
    report = {name: {corpus: measure(load_export(name), found, groups, options) for corpus, found in corpora.items()}
              for name in options.models}
    print(summary(report))
    write_json(pathlib.Path(options.out) / "report.json", report)


if __name__ == "__main__":
    run(main)
