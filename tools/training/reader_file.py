"""Adds to a reader's folded weights the mean face and the reading of action units, ready for `emoengine convert`.

    python reader_file.py --weights weights.pth --pack faces.npz --pictures reader_pictures.npz --out reader.pth

AUs are read linearly from the last maps, by rows behind the landmarks' and the confidence's: ridge regression on the teacher's
pictures, whose AUs are known, of people in training, under crops as a detector shifts them. shape.mean (478,2): the mean face, in
distances of the outer eye corners, x right, y down. motion.*: how faces move, see motion.py.
"""
import dataclasses

import numpy as np
import torch

from common import TrainingError, option, parse_options, run, save_checkpoint
from motion import motion_tensors
from pack import FACE_SHARE
from pairs import expressions, seeded, uniform
from reader import CONVOLUTIONS, last_maps
from reader_crops import Sources, cut


@dataclasses.dataclass
class Options:
    weights: str = option("weights.pth", "folded weights that train_reader.py wrote")
    pack: str = option("faces.npz", "training pack")
    pictures: str = option("reader_pictures.npz", "what reader_pictures.py made of the pack, by its default seed")
    out: str = option("reader.pth", "checkpoint to write")
    crops: int = option(5000, "drawn pictures to learn from, at most")
    ridge: float = option(100., "of the regression, in variances of a value of the maps")
    threads: int = option(0, "CPU threads; 0: as PyTorch likes")


def drawn_maps(sources, weights, index, g):
    """Last maps (n,C*H*W) of drawn pictures under crops as a detector shifts them, nearly upright."""
    result = []
    for rows in index.split(64):
        n = len(rows)
        side = sources.box * uniform(g, .91, 1., n)
        centre = sources.size / 2 + sources.size * FACE_SHARE * uniform(g, -.025, .025, n, 2)
        roll = torch.deg2rad(3 * torch.randn(n, generator=g))
        crops, _ = cut(sources.pictures[rows], centre, side, roll, torch.zeros(n, dtype=torch.bool))
        with torch.no_grad():
            result.append(last_maps(crops * 2 - 1, weights).flatten(1))
    return torch.cat(result).double()


def regression(maps, aus, ridge):
    """Rows (AUs,C*H*W) and biases (AUs) that give AUs from maps, by least squares with a ridge."""
    mean, mean_au = maps.mean(0), aus.mean(0)
    d = maps - mean
    gram = d.T @ d + ridge * maps.std()**2 * torch.eye(d.shape[1], dtype=d.dtype)
    rows = torch.linalg.solve(gram, d.T @ (aus - mean_au)).T
    return rows, mean_au - rows @ mean


def main():
    options = parse_options(Options, __doc__.splitlines()[0])
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        weights = torch.load(options.weights, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise TrainingError(f"{options.weights}: {error}") from None
    if f"main.{3 * (len(CONVOLUTIONS) - 1)}.bias" not in weights:
        raise TrainingError(f"{options.weights}: not folded weights of this reader; train_reader.py writes them to --weights")
    sources = Sources(options.pack, options.pictures)
    fp32 = {name: w.float() for name, w in weights.items()}
    train = sources.drawn()
    g = seeded(5)
    train = train[torch.randperm(len(train), generator=g)][:options.crops]
    known = torch.cat([expressions(seeded(1, turn), sources.count) for turn in range(sources.turns)])
    rows, bias = regression(drawn_maps(sources, fp32, train, g), known[train - sources.count].double(), options.ridge)

    kind = weights["landmarks.weight"].dtype
    answer = torch.cat([fp32["landmarks.weight"], rows.float().view(-1, *fp32["landmarks.weight"].shape[1:])]).to(kind)
    state = {name: w for name, w in weights.items() if not name.startswith("landmarks.")}
    state["answer.weight"] = answer
    state["answer.bias"] = torch.cat([fp32["landmarks.bias"], bias.float()]).to(kind)
    state["shape.mean"] = torch.from_numpy(np.ascontiguousarray(sources.mean_shape[:, :2] * [1, -1])).to(kind)
    state |= motion_tensors(*(sources.arrays[name] for name in ("basis", "mean_shape", "shade", "triangles")), kind)
    save_checkpoint(options.out, state)
    print(f"{options.out}: {sum(t.numel() * t.element_size() for t in state.values())} bytes of tensors")


if __name__ == "__main__":
    run(main)
