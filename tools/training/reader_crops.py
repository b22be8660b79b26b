"""Crops as the reader meets them: faces turned, shifted, lit, blurred, compressed and covered at random, and what is no face.

Every batch depends on the seed and the number of its step alone.
"""
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from common import TrainingError
from pack import FACE_SHARE, PackedFaces, read_arrays
from pairs import seeded, uniform
from reader import CROP_SHARE, SIZE
from reader_pictures import FORMAT

REAL_SHARE = 0.45  # of the faces drawn
DRAWN_SHARE = 0.5  # of the faces drawn wear an expression of the teacher's
FACES_SHARE = 0.85  # of a batch; the rest is no face
# Roll of the faces: mostly as the detector or a first look leaves it, then up to 50 degrees, then any.
NEAR_DEGREES, FAR_DEGREES = 9, 52
NEAR_SHARE, FAR_SHARE = 0.45, 0.40
N_TEXTURES = 1500


class Sources:
    """Portraits, the teacher's pictures of them, and textures without a face."""

    def __init__(self, pack, drawn):
        faces = PackedFaces(pack)
        arrays = read_arrays(drawn, ["format", "names", "pictures", "points"])
        if str(arrays["format"]) != FORMAT or list(arrays["names"]) != list(faces.names):
            raise TrainingError(f"{drawn}: was not made from {pack}; make it again with reader_pictures.py")
        faces.load_photos()
        times = len(arrays["pictures"]) // len(faces)
        self.count, self.turns = len(faces), times
        self.size, self.mean_shape, self.arrays = faces.size, faces.arrays["mean_shape"], faces.arrays
        self.pictures = torch.cat([faces.photos, torch.from_numpy(arrays["pictures"])])
        self.points = torch.cat([faces.points, torch.from_numpy(arrays["points"]).float() / 64])
        mirrored = torch.from_numpy(self.mean_shape * [-1, 1, 1])
        self.pair = torch.cdist(mirrored, torch.from_numpy(self.mean_shape).double()).argmin(1)
        real = torch.from_numpy(faces.arrays["group"] == "real")
        train = torch.zeros(len(faces), dtype=torch.bool)
        train[faces.train] = True
        odds = torch.zeros(len(faces))
        odds[faces.train] = faces.odds.float()
        for group, share in ((real & train, REAL_SHARE), (~real & train, 1 - REAL_SHARE)):
            odds[group] *= share / odds[group].sum().clamp(min=1e-9)
        self.odds = torch.cat([odds * (1 - DRAWN_SHARE), *[odds * DRAWN_SHARE / times] * times])
        self.held_out = {"made": (~real & ~train).nonzero()[:, 0], "real": (real & ~train).nonzero()[:, 0]}
        self.held_out["drawn"] = torch.cat(list(self.held_out.values())) + len(faces)
        self.textures = textures(N_TEXTURES, self.size)

    @property
    def box(self):
        """Side of the reader's crop round an upright face, pixels of a picture."""
        return self.size * FACE_SHARE * CROP_SHARE

    def drawn(self):
        """Numbers of the teacher's pictures of people in training."""
        index = torch.arange(self.count, len(self.pictures))
        return index[self.odds[index] > 0]

    def mean_points(self):
        """Mean landmarks of upright crops (478,2), as the reader answers them."""
        return ((self.points[self.odds > 0] + 0.5 - self.size / 2) / self.box).mean(0)


def textures(count, size):
    """Pictures without a face (count,3,S,S) uint8: noise of all scales, stripes, flat colours, and round things on cloth:
    buttons, badges, plates, clocks, with marks inside that lie as eyes and mouths might."""
    g = seeded(77)
    row = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(row, row, indexing="ij")
    colour = lambda: torch.rand(3, 1, 1, generator=g)
    draw = lambda low, high: float(uniform(g, low, high, 1))
    whole = lambda low, high: int(torch.randint(low, high, (1,), generator=g))
    chance = lambda p: draw(0, 1) < p

    def cloth():
        picture = colour().expand(3, size, size).clone()
        if chance(.9):  # noise with a random slope of its spectrum
            for octave in range(2, 8):
                if chance(.6):
                    channels = 3 if chance(.3) else 1
                    noise = torch.randn(1, channels, 2**octave, 2**octave, generator=g)
                    picture += draw(0, .22) * F.interpolate(noise, size=(size, size), mode="bilinear")[0]
        if chance(.35):  # stripes or checks
            angle, pitch = draw(0, math.pi), draw(3, 40)
            wave = lambda a: torch.sin(pitch * (x * math.cos(a) + y * math.sin(a)))
            pattern = wave(angle) * (wave(angle + math.pi / 2) if chance(.4) else 1)
            picture += draw(-.3, .3) * (pattern.sign() if chance(.5) else pattern) * (colour() if chance(.5) else 1)
        if chance(.3):  # folds and edges
            edge = (x * draw(-1, 1) + y * draw(-1, 1) + draw(-.5, .5)) * draw(2, 60)
            picture += draw(-.4, .4) * edge.sigmoid() * colour()
        return picture

    def ellipse(cx, cy, rx, ry, soft):
        return ((1 - (((x - cx) / rx)**2 + ((y - cy) / ry)**2).sqrt()) * soft).sigmoid()

    result = torch.empty(count, 3, size, size, dtype=torch.uint8)
    for picture in result:
        p = cloth()
        if chance(.6):
            for _ in range(whole(1, 4)):
                cx, cy, r = draw(-.5, .5), draw(-.5, .5), draw(.15, .9)
                ratio, soft = draw(.6, 1.4), draw(10, 80)
                body = ellipse(cx, cy, r, r * ratio, soft)
                p = p + body * ((cloth() if chance(.4) else colour()) - p)
                if chance(.5):  # a rim
                    rim = body - ellipse(cx, cy, .85 * r, .85 * r * ratio, soft)
                    p = p + rim.clamp(min=0) * (colour() - p)
                for _ in range(whole(0, 9)):  # marks: spots, bars, letters' strokes
                    mx, my = cx + r * draw(-.6, .6), cy + r * ratio * draw(-.6, .6)
                    p = p + ellipse(mx, my, r * draw(.03, .4), r * draw(.03, .3), soft / 2) * (colour() - p)
        if chance(.25):  # boxes: windows, books, signs
            for _ in range(whole(1, 7)):
                inside = ((x - draw(-.8, .8)).abs() < draw(.02, .5)) & ((y - draw(-.8, .8)).abs() < draw(.02, .5))
                p = torch.where(inside, colour(), p)
        picture[:] = (p.clamp(0, 1) * 255).round().to(torch.uint8)
    return result


# ---- geometry

def cut(pictures, centre, side, angle, flip):
    """Crops (N,3,128,128) in [0,1] and where their pixels lie in the pictures (N,128,128,2), which end at -1 and 1: squares with
    centre (N,2) and side (N) in pixels, turned by angle (N), radians. flip (N): the picture is mirrored first."""
    size = pictures.shape[3]
    cos, sin = angle.cos() * side / size, angle.sin() * side / size
    mirror = torch.where(flip, -1., 1.)
    cx, cy = 2 * centre[:, 0] / size - 1, 2 * centre[:, 1] / size - 1
    matrix = torch.stack([mirror * cos, -mirror * sin, mirror * cx, sin, cos, cy], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, [len(pictures), 3, SIZE, SIZE], align_corners=False)
    return F.grid_sample(pictures.float() / 255, grid, padding_mode="border", align_corners=False), grid


def place(points, pair, size, centre, side, angle, flip):
    """Where landmarks (N,478,2), in pixels of the picture, lie in those crops: in sides of the crop from its middle."""
    mirrored = points[:, pair] * points.new_tensor([-1, 1]) + points.new_tensor([size - 1, 0])
    d = torch.where(flip[:, None, None], mirrored, points) + 0.5 - centre[:, None]
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return torch.stack([cos * d[..., 0] + sin * d[..., 1], cos * d[..., 1] - sin * d[..., 0]], 2) / side[:, None, None]


def round_off(crops, grid, turned, filling, g):
    """Gives turned crops another surrounding than the picture's edge, which would tell the roll: outside a circle that lies
    at random, so that it tells neither the face's place nor its size, comes `filling`."""
    n = len(crops)
    middle, radius = uniform(g, -.12, .12, n, 1, 1, 2), uniform(g, .82, 1.15, n, 1, 1)
    outside = ((grid - middle).square().sum(3) > radius**2) & turned[:, None, None]
    return torch.where(outside[:, None], filling, crops)


# ---- light, lens and file

def weather(crops, g):
    """Light, colour, grey, blur, grain, JPEG and things before the face, each for some of crops (N,3,128,128) in [0,1]."""
    n = len(crops)
    share = lambda p: torch.rand(n, 1, 1, 1, generator=g) < p
    some = lambda p, low, high: torch.where(share(p), uniform(g, low, high, n, 1, 1, 1), torch.zeros(1))
    cover(crops, g)
    row = torch.linspace(-1, 1, SIZE)
    ramp = some(.5, -.45, .45) * row + some(.4, -.35, .35) * row[:, None]
    gain = (some(.8, -.6, .45).exp() * (1 + ramp)) * torch.where(share(.4), uniform(g, .8, 1.2, n, 3, 1, 1), torch.ones(1))
    chosen = lambda p: (torch.rand(n, generator=g) < p).nonzero()[:, 0]
    rows = chosen(.4)
    crops[rows] = crops[rows].clamp(min=1e-4) ** uniform(g, -.5, .5, len(rows), 1, 1, 1).exp()
    crops = crops * gain + some(.5, -.15, .2)
    rows = chosen(.15)
    crops[rows] = crops[rows].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    for rows in chosen(.25).split(8):
        side = int(torch.randint(26, 100, (1,), generator=g))
        small = F.interpolate(crops[rows], size=(side, side), mode="bilinear", antialias=True)
        crops[rows] = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear")
    rows = chosen(.4)
    grain = torch.randn(len(rows), *crops.shape[1:], generator=g)
    crops[rows] += uniform(g, 0, .07, len(rows), 1, 1, 1) * grain
    crops = crops.clamp(0, 1)
    for i in chosen(.2).tolist():
        crops[i] = through_jpeg(crops[i], int(torch.randint(15, 90, (1,), generator=g)))
    return crops


def through_jpeg(crop, quality):
    buffer = io.BytesIO()
    Image.fromarray((crop * 255).round().byte().permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1) / 255


def cover(crops, g):
    """Lays boxes and bars over a quarter of the crops, in place: of one colour, or a piece of another crop."""
    n = len(crops)
    for i in (torch.rand(n, generator=g) < .25).nonzero()[:, 0].tolist():
        h, w = torch.randint(8, 56, (2,), generator=g).tolist()
        top, left = int(torch.randint(SIZE - h, (1,), generator=g)), int(torch.randint(SIZE - w, (1,), generator=g))
        other = int(torch.randint(n, (1,), generator=g))
        piece = torch.rand(3, 1, 1, generator=g) if other % 2 else crops[other, :, -h:, :w].clone()
        crops[i, :, top:top + h, left:left + w] = piece


# ---- batches

def roll(g, n):
    """Angles (n), radians, positive and negative."""
    kind = torch.rand(n, generator=g)
    near = torch.randn(n, generator=g) * NEAR_DEGREES
    far, any_ = uniform(g, -FAR_DEGREES, FAR_DEGREES, n), uniform(g, -180, 180, n)
    return torch.deg2rad(torch.where(kind < NEAR_SHARE, near, torch.where(kind < NEAR_SHARE + FAR_SHARE, far, any_)))


def shuffled(pictures, g, tiles):
    """Pictures (N,3,S,S) cut into tiles x tiles squares that change places: skin, eyes and hair, but no face."""
    n, _, size, _ = pictures.shape
    t = size // tiles
    cells = pictures.view(n, 3, tiles, t, tiles, t).permute(0, 2, 4, 1, 3, 5).reshape(n, tiles * tiles, 3, t, t)
    order = torch.stack([torch.randperm(tiles * tiles, generator=g) for _ in range(n)])
    cells = cells[torch.arange(n)[:, None], order]
    return cells.view(n, tiles, tiles, 3, t, t).permute(0, 3, 1, 4, 2, 5).reshape(n, 3, size, size)


def fillings(sources, g, n):
    """Surroundings (n,3,128,128): pieces of textures, or one colour."""
    piece = sources.textures[torch.randint(len(sources.textures), (n,), generator=g)].float() / 255
    flat = torch.rand(n, 3, 1, 1, generator=g).expand(-1, -1, SIZE, SIZE)
    return torch.where(torch.rand(n, 1, 1, 1, generator=g) < .5, F.interpolate(piece, size=(SIZE, SIZE)), flat)


def faces_batch(sources, g, n):
    """Crops of faces (n,3,128,128) in [0,1] and landmarks (n,478,2)."""
    index = torch.multinomial(sources.odds, n, True, generator=g)
    angle, flip = roll(g, n), torch.rand(n, generator=g) < .5
    wide = (torch.rand(n, generator=g) < .15).float() * uniform(g, 0, .45, n)
    side = sources.box * (torch.randn(n, generator=g).clamp(-2, 2) * .09 + wide).exp()
    centre = sources.size / 2 + sources.size * FACE_SHARE * .055 * torch.randn(n, 2, generator=g).clamp(-2.5, 2.5)
    crops, grid = cut(sources.pictures[index], centre, side, angle, flip)
    turned = (angle.abs() > .15) | (side > 1.15 * sources.box)
    crops = round_off(crops, grid, turned, fillings(sources, g, n), g)
    return crops, place(sources.points[index], sources.pair, sources.size, centre, side, angle, flip)


def others_batch(sources, g, n):
    """Crops (n,3,128,128) in [0,1] that show no face, or too little of one: textures, shuffled faces, details, margins."""
    kind = torch.rand(n, generator=g)
    index = torch.multinomial(sources.odds, n, True, generator=g)
    pictures = sources.pictures[index]
    texture, mixed = kind < .4, (kind >= .4) & (kind < .6)
    pictures[texture] = sources.textures[torch.randint(len(sources.textures), (int(texture.sum()),), generator=g)]
    if mixed.any():
        pictures[mixed] = shuffled(pictures[mixed], g, 4 * int(torch.randint(1, 3, (1,), generator=g)))
    direction = uniform(g, -math.pi, math.pi, n)
    away = torch.stack([direction.cos(), direction.sin()], 1) * (uniform(g, .55, .8, n) * sources.size)[:, None]
    detail, margin = (kind >= .6) & (kind < .8), kind >= .8
    side = sources.box * torch.where(detail, uniform(g, .12, .42, n), uniform(g, .5, 1.1, n))
    spread = torch.where(detail, .3, .1) * sources.size
    centre = sources.size / 2 + torch.where(margin[:, None], away, spread[:, None] * uniform(g, -1, 1, n, 2))
    crops, grid = cut(pictures, centre, side, roll(g, n), torch.rand(n, generator=g) < .5)
    outside = (grid.abs().amax(3) > 1)[:, None]
    return torch.where(outside & (torch.rand(n, 1, 1, 1, generator=g) < .7), fillings(sources, g, n), crops)


def batch(sources, seed, step, n):
    """Crops (n,3,128,128) in [-1,1], faces first, and landmarks (m,478,2) of the m faces."""
    g = seeded(seed, step)
    m = round(n * FACES_SHARE)
    crops, points = faces_batch(sources, g, m)
    crops = weather(torch.cat([crops, others_batch(sources, g, n - m)]), g)
    return crops * 2 - 1, points


def held_out_batch(sources, name, degrees, limit=0, seed=0):
    """Crops of the held-out portraits `name`, at most `limit` of them, evenly spread, as a detector cuts them (its boxes are
    0.91 to 1.00 of the portraits' and off by some pixels), turned by so many degrees, and their landmarks. limit 0: all."""
    index = sources.held_out[name]
    if limit and len(index) > limit:
        index = index[torch.linspace(0, len(index) - 1, limit).round().long()]
    g, n = seeded(seed, degrees), len(index)
    angle = torch.full((n,), math.radians(degrees)) * torch.where(torch.rand(n, generator=g) < .5, -1., 1.)
    side = sources.box * uniform(g, .91, 1., n)
    centre = sources.size / 2 + sources.size * FACE_SHARE * uniform(g, -.025, .025, n, 2)
    upright = torch.zeros(n, dtype=torch.bool)
    crops, grid = cut(sources.pictures[index], centre, side, angle, upright)
    if degrees:
        crops = round_off(crops, grid, ~upright, fillings(sources, g, n), g)
    return crops * 2 - 1, place(sources.points[index], sources.pair, sources.size, centre, side, angle, upright)
