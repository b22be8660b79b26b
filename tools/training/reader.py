"""The face reader: a crop of 128x128 pixels -> 478 landmarks and a confidence that it shows a face.

Crops are (N,3,128,128) RGB in [-1,1]. Landmarks are FaceMesh's, in sides of the crop from its middle, x right, y down: the
point (u, v) lies at pixel 128 * (u + 0.5) - 0.5. Roll, scale and centre of a face follow from its landmarks.
"""
import torch
import torch.nn as nn

from common import TrainingError
from face_points import N_POINTS

SIZE = 128
CROP_SHARE = 1.2  # side of the crop over the side of the detector's box
# Channels and stride of each 3x3 convolution. Stride 2 comes twice at the start: half the arithmetic of a network that keeps
# 64x64 for a second convolution.
CONVOLUTIONS = [(24, 2), (40, 2), (48, 1), (48, 1), (80, 2), (80, 1), (112, 2), (112, 1), (96, 2)]
N_OUTPUTS = 2 * N_POINTS + 1  # x0, y0, x1, y1, ...; at the end the confidence's logit


class Reader(nn.Module):
    def __init__(self, mean_points=None):
        """mean_points (478,2): what the network answers before it has learned anything."""
        super().__init__()
        layers, width = [], 3
        for channels, stride in CONVOLUTIONS:
            layers += [nn.Conv2d(width, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
            width = channels
        self.main = nn.Sequential(*layers)
        side = SIZE // 2**sum(stride == 2 for _, stride in CONVOLUTIONS)
        self.landmarks = nn.Linear(width * side * side, N_OUTPUTS)  # reads the last maps plane by plane: (C,H,W)
        self.last = (width, side, side)
        with torch.no_grad():
            self.landmarks.weight.mul_(0.1)
            self.landmarks.bias.zero_()
            if mean_points is not None:
                self.landmarks.bias[:-1] = mean_points.flatten()

    def forward(self, crops):
        """Landmarks (N,478,2) and logits (N)."""
        answer = self.landmarks(self.main(crops).flatten(1)).float()
        return answer[:, :-1].view(-1, N_POINTS, 2), answer[:, -1]


def folded(state):
    """The state dict that the engine reads: each batch norm, with what it has learned of mean and variance, is folded into
    the weight and the bias of its convolution: main.0.weight, main.0.bias, main.3.weight ... The last layer is written as the
    convolution that it is, of the whole last map: landmarks.weight (957,C,H,W), landmarks.bias."""
    result = {}
    for i in range(0, 3 * len(CONVOLUTIONS), 3):
        norm = {name: state[f"main.{i + 1}.{name}"].double() for name in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / (norm["running_var"] + nn.BatchNorm2d(1).eps).sqrt()
        result[f"main.{i}.weight"] = (state[f"main.{i}.weight"].double() * scale[:, None, None, None]).float()
        result[f"main.{i}.bias"] = (norm["bias"] - norm["running_mean"] * scale).float()
    weight = state["landmarks.weight"].float().view(N_OUTPUTS, *Reader().last)
    return {**result, "landmarks.weight": weight, "landmarks.bias": state["landmarks.bias"].float()}


def last_maps(crops, weights):
    """Maps (N,C,H,W) that the last layer reads, from folded weights."""
    x = crops
    for i, (_, stride) in enumerate(CONVOLUTIONS):
        x = nn.functional.conv2d(x, weights[f"main.{3 * i}.weight"], weights[f"main.{3 * i}.bias"], stride, 1).relu()
    return x


def read_folded(crops, weights):
    """What the engine computes from folded weights, for evaluation: landmarks (N,478,2), logits (N)."""
    x = last_maps(crops, weights)
    answer = nn.functional.conv2d(x, weights["landmarks.weight"], weights["landmarks.bias"])[:, :, 0, 0]
    return answer[:, :-1].view(-1, N_POINTS, 2), answer[:, -1]


def reader_of(state, path):
    """A Reader with a state dict's weights."""
    net = Reader()
    try:
        net.load_state_dict(state)
    except (RuntimeError, AttributeError) as error:
        raise TrainingError(f"{path}: not weights of this reader ({' '.join(str(error).split())[:160]})") from None
    return net
