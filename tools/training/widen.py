"""Widens a generator 32 -> 64 filters by writing every channel twice; the function stays the same.

    python widen.py --weights lite.pth --out full.pth

Every input weight is halved, as each input comes twice; instance norm treats the copies alike. The copies would also learn
alike, so a little noise, which cancels in each pair, tells them apart.
"""
import dataclasses

import torch

from common import option, parse_options, run, save_checkpoint
from generator import N_AUS, generator_of
from train_generator import plain, read_weights


@dataclasses.dataclass
class Options:
    weights: str = option("generator_lite.pth", "weights or state to widen")
    out: str = option("generator_wide.pth", "weights to write")
    noise: float = option(0.05, "difference between the copies, as a share of each tensor's own spread")
    seed: int = option(1, "of the noise")


def widened(state, noise, seed):
    """The state dict (C filters) with 2 C filters. Copies lie in two halves: channel c becomes c and C + c."""
    g = torch.Generator().manual_seed(seed)
    wide = {}
    for key, value in state.items():
        if value.dim() == 1:  # scale and shift of instance norm
            wide[key] = value.repeat(2)
            continue
        deconvolution = key.startswith("main.") and value.dim() == 4 and is_deconvolution(key, state)
        out_dim, in_dim = (1, 0) if deconvolution else (0, 1)
        if key != "main.0.weight":  # its inputs, colours and AUs, come once
            # +d on one copy's weights, -d on the other's: their inputs are equal, so the difference cancels in the sum.
            spread = torch.randn(value.shape, generator=g) * value.std() * noise / 2
            value = torch.cat([value / 2 + spread, value / 2 - spread], in_dim)
        wide[key] = value if key.startswith(("img_reg", "attetion_reg")) else torch.cat([value, value], out_dim)
    return wide


def is_deconvolution(key, state):
    """Whether a weight belongs to the two upsampling layers, which follow the residual blocks."""
    layer = int(key.split(".")[1])
    blocks = [int(k.split(".")[1]) for k in state if k.endswith(".main.0.weight")]
    return layer > max(blocks, default=8)


def main():
    options = parse_options(Options, __doc__.splitlines()[0])
    state = plain(generator_of(read_weights(options.weights), options.weights))
    wide = widened(state, options.noise, options.seed)
    save_checkpoint(options.out, wide)
    print(f"{options.out}: {len(state['main.0.weight'])} -> {len(wide['main.0.weight'])} filters, {N_AUS} AUs")


if __name__ == "__main__":
    run(main)
