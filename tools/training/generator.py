"""The GANimation generator and its critic (Pumarola et al. 2018), with the key names of the authors' checkpoints.

Pictures are (N,3,H,W) RGB in [-1,1], AUs (N,17) in [0,1]. The mask is 1 where the photo is kept, as in the authors' code.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from common import AU_NUMBERS, TrainingError

N_AUS = len(AU_NUMBERS)


class ResidualBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.InstanceNorm2d(width, affine=True), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.InstanceNorm2d(width, affine=True))

    def forward(self, x):
        return x + self.main(x)


class Generator(nn.Module):
    """photo, AUs -> picture, mask, colour, where picture = mask * photo + (1 - mask) * colour.

    Instance norm cancels the constant AU planes after the first convolution but for the zero-padded border: the AUs reach
    the network through the border alone. `au_gain` starts those kernels larger, so that they are heard from the first step.
    """

    def __init__(self, filters=64, blocks=6, au_gain=1.0):
        super().__init__()
        layers = [nn.Conv2d(3 + N_AUS, filters, 7, 1, 3, bias=False), nn.InstanceNorm2d(filters, affine=True), nn.ReLU()]
        width = filters
        for _ in range(2):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.InstanceNorm2d(2 * width, affine=True),
                       nn.ReLU()]
            width *= 2
        layers += [ResidualBlock(width) for _ in range(blocks)]
        for _ in range(2):
            layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
                       nn.InstanceNorm2d(width // 2, affine=True), nn.ReLU()]
            width //= 2
        self.main = nn.Sequential(*layers)
        self.img_reg = nn.Sequential(nn.Conv2d(filters, 3, 7, 1, 3, bias=False), nn.Tanh())
        self.attetion_reg = nn.Sequential(nn.Conv2d(filters, 1, 7, 1, 3, bias=False), nn.Sigmoid())  # spelt so in the files
        with torch.no_grad():
            self.main[0].weight[:, 3:] *= au_gain

    def forward(self, photo, au):
        planes = au[:, :, None, None].expand(-1, -1, *photo.shape[2:])
        features = self.main(torch.cat([photo, planes], 1))
        # bf16 has eight bits, as a picture has: the last layers are fp32 under autocast too. One convolution makes both: alone,
        # each costs as much as the two together (51 of 150 ms a picture in training on a CPU, against 17).
        with torch.autocast(photo.device.type, enabled=False):
            colour, mask = F.conv2d(features.float(), torch.cat([self.img_reg[0].weight, self.attetion_reg[0].weight]),
                                    padding=3).split([3, 1], 1)
        mask, colour = mask.sigmoid(), colour.tanh()
        return mask * photo + (1 - mask) * colour, mask, colour


class Critic(nn.Module):
    """PatchGAN critic with a head that reads the AUs: picture -> scores (N,1,H/64,W/64), AUs (N,17). Without normalisation,
    as the gradient penalty needs: it is a property of each picture alone."""

    def __init__(self, filters=64, size=128, layers=6):
        super().__init__()
        channels = [3] + [filters * 2**i for i in range(layers)]
        steps = [m for a, b in zip(channels, channels[1:]) for m in (nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.01))]
        self.main = nn.Sequential(*steps)
        self.conv1 = nn.Conv2d(channels[-1], 1, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(channels[-1], N_AUS, size // 2**layers, bias=False)

    def forward(self, picture):
        features = self.main(picture)
        return self.conv1(features), self.conv2(features).flatten(1)


def generator_of(state, path):
    """A generator with the weights of a state dict, whose tensors tell its size. `path` names it in errors."""
    try:
        filters = len(state["main.0.weight"])
        blocks = sum(key.startswith("main.") and key.endswith(".main.0.weight") for key in state)
        net = Generator(filters, blocks)
        net.load_state_dict({key: value.float() for key, value in state.items()})
    except (KeyError, RuntimeError, AttributeError, TypeError, IndexError) as error:
        raise TrainingError(f"{path}: not a generator's weights ({' '.join(str(error).split())[:200]})") from None
    return net


def to_network(pictures):
    """[0,1] -> [-1,1]."""
    return pictures * 2 - 1


def to_pixels(pictures):
    """[-1,1] -> uint8."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def shrink(pictures, size):
    return pictures if pictures.shape[-1] == size else F.interpolate(pictures, size=(size, size), mode="area")
