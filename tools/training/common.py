"""What the recipes of both models share: action units, emotion prototypes, options, checkpoints, OpenFace files, errors.

AU intensities are in [0,1] in the order of AU_NUMBERS, as the engine has them; OpenFace's 0..5 is divided by 5.
"""
import argparse
import contextlib
import csv
import dataclasses
import json
import math
import os
import pathlib
import pickle
import random
import sys

import torch

AU_NUMBERS = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45]  # OpenFace's 17
AU_NAMES = [f"AU{number:02}" for number in AU_NUMBERS]

# Table 1 of the published system, as engine/expression/action_units.cc has it; AU16 of disgust is not among the 17.
PROTOTYPES = {
    "happiness": [6, 12],
    "sadness": [1, 4, 15],
    "surprise": [1, 2, 5, 26],
    "fear": [1, 2, 4, 5, 7, 20, 26],
    "anger": [4, 5, 7, 23],
    "disgust": [9, 15],
}
EMOTIONS = ["neutral", *PROTOTYPES]
NEUTRAL_NORM = 0.5  # the engine reads shorter AU vectors as neutral


class TrainingError(Exception):
    """Something that the user can mend; the text says where, what came and what to do."""


def run(main):
    """Calls main() as a command line: a TrainingError becomes one line on stderr and exit status 1."""
    try:
        main()
    except TrainingError as error:
        sys.exit(f"error: {error}")


# ---- action units and emotions

def prototype(emotion, strength=1.0):
    """AUs (17) that show an emotion; zeros for "neutral"."""
    au = torch.zeros(len(AU_NUMBERS))
    for number in PROTOTYPES.get(emotion, []):
        au[AU_NUMBERS.index(number)] = strength
    return au


def unit_prototypes():
    """(6, 17), rows of length 1 in the order of EMOTIONS[1:]."""
    rows = torch.stack([prototype(name) for name in PROTOTYPES])
    return rows / rows.norm(dim=1, keepdim=True)


def read_emotions(au):
    """Index into EMOTIONS of each row of au (N, 17), by the engine's rule: neutral if |au| < 0.5, else the prototype with
    the smallest residual after projection, which is the one with the longest projection. Values are clamped to [0,1]."""
    au = au.clamp(0, 1)
    index = (au @ unit_prototypes().T).argmax(1) + 1
    index[au.norm(dim=1) < NEUTRAL_NORM] = 0
    return index


def sharpened(au, sharpness):
    """AUs (N, 17) of the same length in the direction of the emotion that they show, as the engine has it
    (engine/expression/action_units.h, sharpened()). 0: as they are."""
    if sharpness == 0:
        return au
    length = au.pow(2).sum(1, keepdim=True).clamp(min=1e-12).sqrt()  # has a gradient at zero
    shown = torch.cat([torch.full_like(length, NEUTRAL_NORM), au @ unit_prototypes().T], 1)
    weights = (sharpness * shown).softmax(1)[:, 1:]
    return (length * (weights @ unit_prototypes())).clamp(max=1)


def read_openface(path):
    """AUs (frames, 17) in [0,1] of the frames in which OpenFace found a face, of one of its CSV files.

    Columns may have spaces round their names and be in any order; AUxx_r are intensities 0..5. `success` is optional.
    """
    path = pathlib.Path(path)
    rows = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            columns = {name.strip(): i for i, name in enumerate(next(reader, []))}
            missing = [f"{name}_r" for name in AU_NAMES if f"{name}_r" not in columns]
            if missing:
                raise TrainingError(f"{path}: no column {missing[0]}; run OpenFace's FeatureExtraction with -aus")
            for row in reader:
                if not row or ("success" in columns and float(row[columns["success"]]) == 0):
                    continue
                rows.append([float(row[columns[f"{name}_r"]]) / 5 for name in AU_NAMES])
                if not all(0 <= value <= 1 for value in rows[-1]):
                    raise TrainingError(f"{path}: line {reader.line_num}: an AU is outside 0..5")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: cannot be read: {error}") from None
    except (ValueError, IndexError):
        raise TrainingError(f"{path}: line {reader.line_num}: a value is missing or no number") from None
    if not rows:
        raise TrainingError(f"{path}: no frame with a face in it; leave this clip out")
    return torch.tensor(rows)


# ---- options

def option(default, text, **more):
    """A field of an options dataclass with the text of its flag's help."""
    return dataclasses.field(default=default, metadata={"help": text, **more})


def parse_options(cls, description, arguments=None):
    """Reads the command line into the dataclass `cls`: one flag a field, its default in the help. A field without a
    default is a flag that must be given; a bool becomes --flag and --no-flag."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for field in dataclasses.fields(cls):
        flag = "--" + field.name.replace("_", "-")
        required = field.default is dataclasses.MISSING
        kind = {"action": argparse.BooleanOptionalAction} if field.type is bool else {"type": field.type}
        if field.metadata.get("many"):
            kind["nargs"] = "+"
        if "choices" in field.metadata:
            kind["choices"] = field.metadata["choices"]
        parser.add_argument(flag, required=required, default=None if required else field.default,
                            help=field.metadata.get("help", ""), **kind)
    return cls(**vars(parser.parse_args(arguments)))


def seed_all(seed):
    random.seed(seed)
    torch.manual_seed(seed)


# ---- files: complete or not there

def write_whole(path, write):
    """Calls write(temporary path), then renames: a reader sees the old file or the new one, never a part."""
    path = pathlib.Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        os.replace(part, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_json(path, value):
    write_whole(path, lambda part: part.write_text(json.dumps(value, indent=1) + "\n"))


def replaced(value, test, change):
    """A copy of nested dicts, lists and tuples with change(v) for every v in them that passes the test."""
    if isinstance(value, dict):
        return {key: replaced(v, test, change) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(v, test, change) for v in value)
    return change(value) if test(value) else value


def save_checkpoint(path, state):
    """Writes a dict of tensors, numbers, strings and containers of them. Its floats are kept as fp64 scalars, because
    torch 1.13 cannot read a float when it may run no code from the file."""
    state = replaced(state, lambda v: isinstance(v, float), lambda v: torch.tensor(v, dtype=torch.float64))
    write_whole(path, lambda part: torch.save(state, part))


def load_tensors(path):
    """Reads what save_checkpoint wrote, or any state dict. Runs no code from the file."""
    path = pathlib.Path(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such checkpoint") from None
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: not a readable checkpoint ({reason}); restore a copy, or delete it to start anew") from None


def load_checkpoint(path, recipe):
    """The state that a recipe saved; its key "recipe" must be `recipe`."""
    state = load_tensors(path)
    if not isinstance(state, dict) or state.get("recipe") != recipe:
        found = state.get("recipe") if isinstance(state, dict) else type(state).__name__
        raise TrainingError(f"{path}: a checkpoint of '{found}', not of '{recipe}'; give another path")
    return replaced(state, lambda v: isinstance(v, torch.Tensor) and v.dtype == torch.float64 and v.dim() == 0, torch.Tensor.item)


def check_finite(loss, where, checkpoint):
    """Stops training on a loss (a number) that is NaN or infinite, before it reaches the weights or the file."""
    if math.isfinite(loss):
        return
    kept = f"the last good state is in {checkpoint}" if pathlib.Path(checkpoint).exists() else "nothing was saved yet"
    raise TrainingError(f"{where}: the loss is {loss}; {kept}. Lower the learning rate or look at the data")
