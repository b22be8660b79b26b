"""Training pairs: a portrait wearing one expression, the same wearing another, and the AUs of the second.

Pairs come in chapters, each rendered as a whole and kept on the device as bytes, then drawn from a few times with fresh
flips and colours. A chapter, and the order in it, depend on the seed and its number alone, so a resumed run sees what it
would have seen.
"""
import torch
import torch.nn.functional as F

from common import AU_NUMBERS, PROTOTYPES, prototype
from generator import to_network

# AUs that a first training left faint are asked for more often when one is drawn alone.
FAINT = (5, 6, 7, 12, 14, 15, 20)
# How the prototypes look best on the teacher: what the six of the published table leave out of lips and brows.
DRESSED = {"sadness": {4: .7}, "surprise": {25: .4}, "fear": {2: .7, 4: .6, 7: .5, 25: .4, 26: .6}, "anger": {5: .5, 7: .8},
           "disgust": {15: .7, 10: .5, 17: .4}}


def seeded(*numbers):
    """A generator on the CPU for these numbers; the same on every machine."""
    key = 0
    for number in numbers:
        key = (key * 1_000_003 + number + 1) % (2**63 - 1)
    return torch.Generator().manual_seed(key)


def uniform(g, low, high, *shape):
    return low + (high - low) * torch.rand(*shape, generator=g)


def dressed_prototypes():
    """(12,17): the six emotions as in the table and as dressed."""
    plain = torch.stack([prototype(name) for name in PROTOTYPES])
    dressed = plain.clone()
    for row, name in zip(dressed, PROTOTYPES):
        for number, value in DRESSED.get(name, {}).items():
            row[AU_NUMBERS.index(number)] = value
    return torch.cat([plain, dressed])


def expressions(g, n):
    """AU vectors (n,17) to train on: 40 % emotions, some mixed and uneven, 25 % single AUs, 27 % random sets, 8 % none;
    closed eyes and open lips thrown in."""
    n_aus = len(AU_NUMBERS)
    kind = torch.rand(n, generator=g)[:, None]
    table = dressed_prototypes()
    pick = lambda: table[torch.randint(len(table), (n,), generator=g)]
    chance = lambda p: (torch.rand(n, 1, generator=g) < p).float()
    emotion = pick() * uniform(g, .25, 1, n, 1) + pick() * uniform(g, .1, .5, n, 1) * chance(.3)
    uneven = chance(.5)
    emotion = emotion * (1 - uneven + uneven * uniform(g, .5, 1.1, n, n_aus))
    emotion[:, AU_NUMBERS.index(25)] += (uniform(g, .2, .9, n, 1) * chance(.25))[:, 0]

    odds = torch.tensor([2.5 if number in FAINT else 1. for number in AU_NUMBERS])
    chosen = torch.multinomial(odds, n, True, generator=g)[:, None]
    single = torch.zeros(n, n_aus).scatter_(1, chosen, uniform(g, .3, 1, n, 1))
    rank = torch.rand(n, n_aus, generator=g).argsort(1)
    several = (rank < torch.randint(2, 6, (n, 1), generator=g)) * uniform(g, .1, 1, n, n_aus)

    au = torch.where(kind < .40, emotion, torch.where(kind < .65, single, torch.where(kind < .92, several, torch.zeros(1))))
    shut = (chance(.12) * (kind < .92))[:, 0] > 0
    au[shut, AU_NUMBERS.index(45)] = uniform(g, .2, 1, n)[shut]
    return au.clamp(0, 1)


def draw(g, own):
    """Expressions of the first and the second picture, for portraits that show own (n,17) by themselves: the first is mostly
    the photo as it is, so that a real photo is what the network learns to read; every twentieth pair is an identity."""
    n = len(own)
    kind = torch.rand(n, 1, generator=g)
    first = torch.where(kind < .55, own, torch.where(kind < .75, torch.zeros(1), expressions(g, n)))
    second = torch.where(torch.rand(n, 1, generator=g) < .05, first, expressions(g, n))
    return first, second


def sharpen(pictures, amount):
    """Unsharp mask; blurs for amounts (N,1,1,1) below 0. Photos of all cameras come crisper or softer than the portraits."""
    around = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return pictures + amount * (pictures - around)


def turn(pictures, angle):
    """Turns pictures by angle (N), radians, about their middle; the border is repeated."""
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, pictures.shape, align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


class Chapter:
    """`count` pairs of side `size`, rendered on the device."""

    def __init__(self, faces, teacher, seed, number, count, size, render_batch=64):
        g = seeded(seed, number)
        index = faces.train[torch.multinomial(faces.odds, count, True, generator=g)]
        first, second = draw(g, faces.aus[index])
        side = faces.face_box[2] * uniform(g, .93, 1.14, count)
        centre = faces.size / 2 + faces.face_box[2] * uniform(g, -.0375, .0375, count, 2)
        box = torch.cat([centre - side[:, None] / 2, side[:, None]], 1)
        self.au, self.own = second.to(teacher.device), first.to(teacher.device)
        self.photo = torch.empty(count, 3, size, size, dtype=torch.uint8, device=teacher.device)
        self.target = torch.empty_like(self.photo)
        for rows in torch.arange(count).split(render_batch):
            portraits = faces.portraits(index[rows], teacher.device)
            boxes = box[rows].to(teacher.device)
            supersample = max(1, 256 // size)
            for pictures, au in ((self.photo, self.own), (self.target, self.au)):
                drawn = teacher.render(portraits, au[rows.to(teacher.device)], boxes, size, supersample)
                pictures[rows.to(teacher.device)] = (drawn * 255).round().to(torch.uint8)

    def batch(self, g, rows):
        """Pairs `rows`, turned, flipped, lit, coloured or greyed, sharpened and made noisy at random, both pictures alike,
        since a photo is rarely as even as the portraits: photo, target, AUs wanted, AUs that the photo shows."""
        n, device = len(rows), self.photo.device
        rows = rows.to(device)
        both = torch.stack([self.photo[rows], self.target[rows]]).float() / 255  # (2,N,3,S,S)
        share = lambda p, *shape: (torch.rand(n, *shape, generator=g) < p).float()
        at_random = lambda p, low, high, *shape: (share(p, *shape) * uniform(g, low, high, n, *shape)).to(device)
        both = turn(both.flatten(0, 1), at_random(.4, -.44, .44).repeat(2)).view_as(both)  # up to 25 degrees
        flip = share(.5, 1, 1, 1).to(device) > 0
        both = torch.where(flip, both.flip(4), both)
        grey = share(.1, 1, 1, 1).to(device) > 0
        both = torch.where(grey, both.mean(2, keepdim=True), both)
        gamma = at_random(.4, -.4, .4, 1, 1, 1).exp()
        both = to_network(both.clamp(0, 1) ** gamma)
        colour = share(.7, 1, 1, 1)
        gain = 1 + colour * (uniform(g, .75, 1.35, n, 1, 1, 1) * uniform(g, .92, 1.08, n, 3, 1, 1) - 1)
        tint = share(.15, 1, 1, 1)  # a lamp, a stage, an old print: the channels apart by half
        gain = gain * (1 + tint * (uniform(g, .6, 1.2, n, 3, 1, 1) - 1))
        offset = colour * uniform(g, -.15, .15, n, 1, 1, 1)
        crisp = at_random(.5, -.5, 1, 1, 1, 1)
        grain = torch.randn(1, *both.shape[2:], generator=g).to(device) * at_random(.3, 0, .06, 1, 1, 1)
        photo, target = ((sharpen(p, crisp) * gain.to(device) + offset.to(device) + grain).clamp(-1, 1) for p in both)
        return photo, target, self.au[rows], self.own[rows]


class Pairs:
    """Batches by the number of the step."""

    def __init__(self, faces, teacher, seed, batch, batches_per_chapter, reuse):
        self.faces, self.teacher, self.seed = faces, teacher, seed
        self.batch, self.batches, self.reuse = batch, batches_per_chapter, reuse
        self.chapter, self.key = None, None

    def __call__(self, step, size):
        number, place = divmod(step, self.batches * self.reuse)
        key = (number, size)
        if key != self.key:
            self.chapter = Chapter(self.faces, self.teacher, self.seed, number, self.batches * self.batch, size)
            self.key = key
        reading, place = divmod(place, self.batches)
        order = torch.randperm(len(self.chapter.au), generator=seeded(self.seed, number, reading))
        return self.chapter.batch(seeded(self.seed, step, 7), order[place * self.batch:(place + 1) * self.batch])
