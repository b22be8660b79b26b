"""Makes a narrow face reader and what PyTorch reads with it (seed 22).

  checkpoints/reader.safetensors   its state dict, fp16, as tools/training/reader_file.py names the tensors
  checkpoints/reader.json          what its shapes do not tell, for --config
  reader.safetensors               crops (3,3,40,40) fp16; answers (3,974) fp32, computed in fp64

Usage: python tests/golden/make_reader.py
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from torch.nn.functional import conv2d

HERE = pathlib.Path(__file__).parent
SIDE, CHANNELS, STRIDES = 40, [8, 12, 16, 8, 8], [2, 1, 2, 2, 2]  # 40, 20, 20, 10, 5, 3


def main():
    g = torch.Generator().manual_seed(22)
    normal = lambda *shape: torch.randn(*shape, generator=g)
    weights, width = {}, 3
    for i, channels in enumerate(CHANNELS):
        weights[f"main.{3 * i}.weight"] = normal(channels, width, 3, 3) * (2 / (9 * width)) ** 0.5
        weights[f"main.{3 * i}.bias"] = normal(channels) * 0.2
        width = channels
    weights["answer.weight"] = normal(974, width, 3, 3) * (1 / (9 * width)) ** 0.5
    weights["answer.bias"] = normal(974) * 0.2
    weights["shape.mean"] = normal(478, 2)
    weights = {name: w.half() for name, w in weights.items()}
    crops = (torch.rand(3, 3, SIDE, SIDE, generator=g) * 2 - 1).half()

    x = crops.double()
    for i, stride in enumerate(STRIDES):
        x = conv2d(x, weights[f"main.{3 * i}.weight"].double(), weights[f"main.{3 * i}.bias"].double(), stride, 1).relu()
    answers = conv2d(x, weights["answer.weight"].double(), weights["answer.bias"].double())[:, :, 0, 0]
    save_file(weights, HERE / "checkpoints/reader.safetensors")
    (HERE / "checkpoints/reader.json").write_text(json.dumps({"kind": "reader", "image_size": SIDE, "strides": STRIDES}) + "\n")
    save_file({"crops": crops, "answers": answers.float()}, HERE / "reader.safetensors")


if __name__ == "__main__":
    main()
