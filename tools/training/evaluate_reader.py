"""Measures how well the engine reads action units from faces, through `emoengine aus`.

    python evaluate_reader.py --pack faces.npz --pictures reader_pictures.npz --engine build/bin/emoengine

Drawn: the teacher's pictures of people kept out of training, whose AUs are known; each AU's correlation and ICC(3,1). Smiles:
photos of real people kept out of training, in pairs of one that FaceMesh's landmarks say smiles (AU12 >= 0.5) and one that does
not (<= 0.1): the share of pairs in which the first reads at least 0.1 above the second.
"""
import csv
import dataclasses
import io
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from PIL import Image

from common import AU_NUMBERS, TrainingError, option, parse_options, run
from pack import PackedFaces, is_held_out, read_arrays
from pairs import expressions, seeded

MARGIN = 0.35  # of a picture's side, added on each side: the detector wants room round a face


@dataclasses.dataclass
class Options:
    pack: str = option("faces.npz", "training pack")
    pictures: str = option("reader_pictures.npz", "what reader_pictures.py made of the pack, by its default seed")
    engine: str = option("build/bin/emoengine", "the program")
    reader: str = option("", "weight file of the reader; empty: the installed one")
    drawn: int = option(150, "drawn pictures to read")
    threads: int = option(0, "CPU threads; 0: as PyTorch likes")


def read(options, pictures):
    """AUs (n,17) of pictures (3,S,S) uint8 by the largest face; NaN where none is found."""
    rows = np.full((len(pictures), len(AU_NUMBERS)), np.nan)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "face.png"
        for row, picture in zip(rows, pictures):
            pad = round(MARGIN * picture.shape[1])
            image = np.pad(picture.transpose(1, 2, 0), ((pad, pad), (pad, pad), (0, 0)), mode="edge")
            Image.fromarray(image).save(path)
            command = [options.engine, "aus", "--image", str(path), "--quiet"]
            command += ["--reader", options.reader] if options.reader else []
            answer = subprocess.run(command, capture_output=True, text=True)
            if answer.returncode == 0:
                table = next(csv.DictReader(io.StringIO(answer.stdout)))
                row[:] = [float(table[f"AU{number:02}_r"]) / 5 for number in AU_NUMBERS]
            elif "no face" not in answer.stderr:
                raise TrainingError(f"{options.engine}: {answer.stderr.strip()}")
    return rows


def icc(x, y):
    """ICC(3,1) of two readings of the same things."""
    both = np.stack([x, y], 1)
    n, mean = len(both), both.mean()
    rows = 2 * ((both.mean(1) - mean)**2).sum() / (n - 1)
    error = ((both - both.mean(1, keepdims=True) - both.mean(0) + mean)**2).sum() / (n - 1)
    return (rows - error) / (rows + error)


def main():
    options = parse_options(Options, __doc__.splitlines()[0])
    faces = PackedFaces(options.pack)
    arrays = read_arrays(options.pictures, ["pictures"])
    turns = len(arrays["pictures"]) // len(faces)
    known = torch.cat([expressions(seeded(1, turn), len(faces)) for turn in range(turns)]).numpy()
    held = np.array([is_held_out(name) for name in faces.names])
    index = np.nonzero(np.tile(held, turns))[0]
    index = index[np.linspace(0, len(index) - 1, min(options.drawn, len(index))).round().astype(int)]
    got = read(options, arrays["pictures"][index])
    found = ~np.isnan(got[:, 0])
    got, want = got[found], known[index][found]
    print(f"drawn: {found.sum()} of {len(found)} found")
    for j, number in enumerate(AU_NUMBERS):
        shown = want[:, j] > 0
        print(f"AU{number:02} correlation {np.corrcoef(got[:, j], want[:, j])[0, 1]:.2f} ICC {icc(got[:, j], want[:, j]):.2f} "
              f"mean where asked {got[shown, j].mean():.2f} of {want[shown, j].mean():.2f}, else {got[~shown, j].mean():.2f}")
    real = np.nonzero(held & (faces.arrays["group"] == "real"))[0]
    smile = faces.aus[:, AU_NUMBERS.index(12)].numpy()
    broad, none = real[smile[real] >= .5], real[smile[real] <= .1]
    photos = np.stack([faces.photo(int(i)).numpy() for i in np.concatenate([broad, none])])
    read_smile = read(options, photos)[:, AU_NUMBERS.index(12)]
    a, b = read_smile[:len(broad)], read_smile[len(broad):]
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    print(f"smiles: {len(a)} of {len(broad)} with, {len(b)} of {len(none)} without; "
          f"apart by 0.1 in {(a[:, None] >= b + .1).mean():.3f} of pairs")


if __name__ == "__main__":
    run(main)
