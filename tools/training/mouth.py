"""The inside of a mouth that the photo does not show: upper teeth and gum on the skull, lower teeth, tongue on the jaw."""
import torch

TOOTH, GUM, CAVITY, TONGUE, LOWER_TOOTH = ((222, 208, 190), (172, 100, 98), (46, 20, 20), (132, 62, 62), (214, 200, 186))
TOOTH_GAPS = ((0, .12), (.093, .16), (.163, .16), (.235, .16), (.30, .16), (.37, .16))  # position in units, darkness


def step(low, high, x):
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def paint(u, v, jaw, depth):
    """Colours (M,3) in 0..255 of points of the mouth.

    u, v   (M) position in units, from the lips of the neutral face, v down the face
    jaw    (M) how far the jaw has dropped, in units
    depth  (M) distance to the lips in units: their shadow lies on what is near
    """
    across = u.abs()
    side = 1 - 0.75 * step(0.08, 0.30, across)  # teeth darken to the sides
    gaps = sum(dark * torch.exp(-((across - at) / 0.006).square()) for at, dark in TOOTH_GAPS)
    warm = 0.45 + 0.55 * side
    colour = lambda rgb: torch.tensor(rgb, dtype=u.dtype, device=u.device)
    mix = lambda a, b, share: a + (b - a) * share[:, None]

    upper_edge = 0.030 - 0.55 * u * u
    tooth = colour(TOOTH) * (side * (1 - gaps))[:, None] * torch.stack([torch.ones_like(warm), warm, warm * warm], 1)
    upper = mix(colour(GUM) * side[:, None], tooth, step(upper_edge - 0.125, upper_edge - 0.105, v))

    lower_edge = jaw + 0.012 - 0.35 * u * u
    tongue = 0.75 * step(lower_edge - 0.10, lower_edge + 0.01, v) * step(0, 0.16, jaw) * (1 - step(0.12, 0.24, across))
    below = mix(colour(CAVITY).expand(len(u), 3), colour(TONGUE), tongue)
    below = mix(below, colour(LOWER_TOOTH), 0.62 * side * step(lower_edge - 0.004, lower_edge + 0.010, v))

    shadow = 0.55 + 0.45 * step(-0.005, 0.045, depth)
    return mix(upper, below, step(upper_edge - 0.006, upper_edge + 0.008, v)) * shadow[:, None]
