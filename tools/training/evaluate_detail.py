"""Compares `--detail sharp` with `--detail network` on photos of faces: how sharp the face is, and how far it shows what was asked.

    python evaluate_detail.py --photos FOLDER --engine build/bin/emoengine

FOLDER holds portraits as the training data has them, the detector's box being their middle 5/7; those kept out of training are taken.
Sharpness: energy of the luminance's gradient in the middle of the face, over the photo's. Shown: what `emoengine aus` reads of the
AUs asked for, over what it reads of them in the photo, and the share of faces in which it rose; the reader gives 0.4 of an AU's strength.
"""
import csv
import dataclasses
import io
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image

from common import AU_NUMBERS, PROTOTYPES, TrainingError, option, parse_options, prototype, run
from pack import is_held_out

FACE = 1 / 4, 3 / 4  # of a picture's side: brows to chin


@dataclasses.dataclass
class Options:
    photos: str = option("../shared/data/real_faces/faces", "folder of portraits")
    engine: str = option("build/bin/emoengine", "the program")
    sizes: str = option("128,512,1024", "sides that the portraits are scaled to, pixels")
    limit: int = option(40, "portraits taken, at most")


def engine(options, *arguments):
    answer = subprocess.run([options.engine, *map(str, arguments), "--quiet"], capture_output=True, text=True)
    if answer.returncode not in (0, 6):  # 6: some of many failed
        raise TrainingError(f"{options.engine}: {answer.stderr.strip()}")


def gradient_energy(path):
    grey = np.asarray(Image.open(path).convert("L"), float)
    face = grey[tuple(slice(round(FACE[0] * side), round(FACE[1] * side)) for side in grey.shape)]
    return (np.diff(face, axis=0)**2).mean() + (np.diff(face, axis=1)**2).mean()


def read_aus(options, pictures):
    """AUs (17) of each picture of a folder by its name, where a face is found."""
    rows = {}
    for path in pictures.glob("*.png"):
        answer = subprocess.run([options.engine, "aus", "--image", path, "--quiet"], capture_output=True, text=True)
        if answer.returncode == 0:
            row = next(csv.DictReader(io.StringIO(answer.stdout)))
            rows[path.stem] = np.array([float(row[f"AU{number:02}_r"]) / 5 for number in AU_NUMBERS])
        elif "no face" not in answer.stderr:
            raise TrainingError(f"{options.engine}: {answer.stderr.strip()}")
    return rows


def main():
    options = parse_options(Options, __doc__.splitlines()[0])
    paths = [p for p in sorted(pathlib.Path(options.photos).glob("*.jpg")) if is_held_out(p.name)][:options.limit]
    if not paths:
        raise TrainingError(f"{options.photos}: no portraits that are kept out of training in it")
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            photos = folder / "photos"
            photos.mkdir()
            for path in paths:
                Image.open(path).convert("RGB").resize((size, size), Image.BICUBIC).save(photos / f"{path.stem}.png")
            before = read_aus(options, photos)
            for detail in ("network", "sharp"):
                sharpness, changes = [], []
                for emotion in PROTOTYPES:
                    out = folder / f"{detail}_{emotion}"
                    engine(options, "generate", "--image", photos, "--emotion", emotion, "--detail", detail, "-o", f"{out}/")
                    after = read_aus(options, out)
                    asked = prototype(emotion).numpy() > 0
                    sharpness += [gradient_energy(p) / gradient_energy(photos / p.name) for p in out.glob("*.png")]
                    changes += [(after[n] - before[n])[asked].mean() for n in after if n in before]
                print(f"{size:5} px {detail:8} {len(sharpness)} pictures: sharpness {np.median(sharpness):.2f} (10th percentile "
                      f"{np.percentile(sharpness, 10):.2f}), shown {np.mean(changes):+.3f}, rose in {np.mean(np.array(changes) > 0):.3f}")


if __name__ == "__main__":
    run(main)
