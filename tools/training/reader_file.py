"""Adds to a reader's folded weights what action units are read from landmarks by, ready for `emoengine convert`.

    python reader_file.py --weights weights.pth --pack faces.npz --out reader.pth

shape.mean (478,3): the mean face, in distances of the outer eye corners, x right, y up, z to the viewer. shape.fit
(17,936) and shape.gram (17,17): the fit of geometry.OwnExpression, whose AUs minimise au @ gram @ au / 2 - au @ fit @ d over
au >= 0, where d (936) is how far the 468 points of the skin lie from the mean. Both are scaled by its NOISE squared.
"""
import dataclasses

import numpy as np
import torch

from common import TrainingError, option, parse_options, run, save_checkpoint
from pack import PackedFaces
from reader import CONVOLUTIONS


@dataclasses.dataclass
class Options:
    weights: str = option("weights.pth", "folded weights that train_reader.py wrote")
    pack: str = option("faces.npz", "training pack")
    out: str = option("reader.pth", "checkpoint to write")


def fit_tensors(own):
    """What the engine reads AUs by, of an OwnExpression."""
    noise = own.NOISE**2
    tensors = {"shape.mean": own.mean, "shape.fit": own.whitened.T * noise, "shape.gram": own.gram * noise}
    return {name: torch.from_numpy(np.ascontiguousarray(value)).float() for name, value in tensors.items()}


def main():
    options = parse_options(Options, __doc__)
    try:
        weights = torch.load(options.weights, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise TrainingError(f"{options.weights}: {error}") from None
    if f"main.{3 * (len(CONVOLUTIONS) - 1)}.bias" not in weights:
        raise TrainingError(f"{options.weights}: not folded weights of this reader; train_reader.py writes them to --weights")
    fit = fit_tensors(PackedFaces(options.pack).own_expression())
    fit["shape.mean"], fit["shape.fit"] = fit["shape.mean"].half(), fit["shape.fit"].half()
    save_checkpoint(options.out, {**weights, **fit})
    print(f"{options.out}: {sum(t.numel() * t.element_size() for t in {**weights, **fit}.values())} bytes of tensors")


if __name__ == "__main__":
    run(main)
