"""Pictures that the reader learns from: a pack's portraits, the same drawn in other expressions, and pictures without a face.

    python reader_pictures.py --pack faces.npz --out reader_pictures.npz

The teacher's pictures show expressions that portraits seldom have, and their landmarks are known exactly: the teacher put
them there. They are drawn once, so that training spends its time on the network.
"""
import dataclasses

import numpy as np
import torch

from common import option, parse_options, run, write_whole
from face_points import N_POINTS
from pack import PackedFaces
from pairs import expressions, seeded

FORMAT = "emoengine reader pictures 1"


@dataclasses.dataclass
class Options:
    pack: str = option("faces.npz", "training pack")
    out: str = option("reader_pictures.npz", "file to write")
    expressions: int = option(2, "expressions of each portrait, besides its own")
    seed: int = option(1, "of the expressions")
    threads: int = option(0, "CPU threads; 0: as PyTorch likes")


def draw(faces, count, seed, batch=16):
    """Every portrait in `count` expressions: pictures (count*n,3,S,S) uint8 and landmarks (count*n,478,2), the portraits in
    their order, count times over."""
    teacher, size = faces.teacher(), faces.size
    pictures = torch.empty(count * len(faces), 3, size, size, dtype=torch.uint8)
    points = torch.empty(count * len(faces), N_POINTS, 2)
    target = torch.cat([expressions(seeded(seed, turn), len(faces)) for turn in range(count)])
    for rows in torch.arange(len(target)).split(batch):
        portraits = faces.portraits(rows % len(faces))
        whole = torch.tensor([0., 0., size]).expand(len(rows), 3)
        # One sample a pixel: the crop is reduced by a quarter afterwards, which hides the steps at edges.
        drawn = teacher.render(portraits, target[rows], whole, size, supersample=1)
        pictures[rows] = (drawn * 255).round().to(torch.uint8)
        points[rows] = teacher.move(portraits, target[rows])
    return pictures, points


def main():
    options = parse_options(Options, __doc__)
    if options.threads:
        torch.set_num_threads(options.threads)
    faces = PackedFaces(options.pack)
    pictures, points = draw(faces, options.expressions, options.seed)
    arrays = dict(format=np.array(FORMAT), names=faces.names, pictures=pictures.numpy(),
                  points=(points * 64).round().to(torch.int16).numpy())

    def save(part):
        with open(part, "wb") as file:
            np.savez(file, **arrays)
    write_whole(options.out, save)
    print(f"{options.out}: {len(pictures)} pictures")


if __name__ == "__main__":
    run(main)
