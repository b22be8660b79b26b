"""Made-up portraits in the layout of the real data: a flat mask of 478 points with lips, lids and brows where FaceMesh has
them, a basis that moves them, and textured pictures. Everything is computed; nobody is shown."""
import csv
import pathlib

import numpy as np
from PIL import Image

from common import AU_NUMBERS
from face_points import (EYE_CORNERS, INNER_BROW, LOWER_LID, LOWER_LIP, MOUTH_CORNERS, N_POINTS, OUTER_BROW, OUTLINE, RIGID,
                         UPPER_LID, UPPER_LID_FOLD, UPPER_LIP)

MOUTH_Y = -0.75


def mean_shape():
    """(478,3), in distances of the outer eye corners, y up."""
    at = {}
    for k, point in enumerate(OUTLINE):
        angle = 2 * np.pi * k / len(OUTLINE)
        at[point] = 0.85 * np.sin(angle), -0.4 + 1.05 * np.cos(angle)
    for ring, height in enumerate((0, .04, .06, .09)):
        for j in range(9):
            x = (j - 4) / 4 * (.20 + .07 * (ring > 0) + .01 * ring)
            rise = height * (1 - (x / .35)**2)
            at[UPPER_LIP[ring][j]] = x, MOUTH_Y + rise
            at[LOWER_LIP[ring][j]] = x, MOUTH_Y - rise
    at.update({78: (-.25, MOUTH_Y), 308: (.25, MOUTH_Y), MOUTH_CORNERS[0]: (-.33, MOUTH_Y), MOUTH_CORNERS[1]: (.33, MOUTH_Y)})
    for e, side in enumerate((-1, 1)):
        at[EYE_CORNERS[e][0]], at[EYE_CORNERS[e][1]] = (side * .5, 0), (side * .2, 0)
        for j in range(7):
            x, arc = side * (.5 - .3 * (j + 1) / 8), np.sin(np.pi * (j + 1) / 8)
            at[UPPER_LID[e][j]], at[LOWER_LID[e][j]] = (x, .07 * arc), (x, -.05 * arc)
            at[UPPER_LID_FOLD[e][j]] = x, .03 + .09 * arc
        for j in range(5):
            at[468 + 5 * e + j] = side * .35, .01
        at[INNER_BROW[2 * e]], at[INNER_BROW[2 * e + 1]] = (side * .16, .24), (side * .15, .21)
        at[OUTER_BROW[2 * e]], at[OUTER_BROW[2 * e + 1]] = (side * .52, .24), (side * .5, .21)
    nose = {168: (0, .02), 6: (0, -.06), 197: (0, -.14), 195: (0, -.22), 5: (0, -.3), 4: (0, -.37), 1: (0, -.42), 2: (0, -.47),
            98: (-.11, -.44), 327: (.11, -.44), 9: (0, .28), 151: (0, .4)}
    at.update({point: place for point, place in nose.items() if point in RIGID})
    # The rest fills the mask as the seeds fill a sunflower, clear of lips and lids.
    free = iter([i for i in range(N_POINTS) if i not in at])
    taken, k = np.array(list(at.values())), 0
    point = next(free)
    while point is not None:
        k += 1
        radius, angle = np.sqrt(k / 700), k * 2.39996
        place = np.array([.8 * radius * np.sin(angle), -.4 + 1. * radius * np.cos(angle)])
        clear = np.linalg.norm(taken - place, axis=1).min() > .015
        mouth = abs(place[0]) < .36 and abs(place[1] - MOUTH_Y) < .1
        eyes = .18 < abs(place[0]) < .52 and -.07 < place[1] < .14
        if radius < 1 and clear and not mouth and not eyes:
            at[point] = tuple(place)
            point = next(free, None)
        if k > 5000:
            raise AssertionError("the mask has no room for its points")
    flat = np.array([at[i] for i in range(N_POINTS)], float)
    depth = .4 * (1 - (flat[:, 0] / .9)**2 - ((flat[:, 1] + .4) / 1.1)**2)
    return np.column_stack([flat, depth])


def basis(mean):
    """(17,478,3) displacements: jaw, lips, lids and brows as faces have them, a small bulge for the others."""
    b = np.zeros((len(AU_NUMBERS), N_POINTS, 3))
    bump = lambda x, y, width: sum(np.exp(-((mean[:, 0] - s * x)**2 + (mean[:, 1] - y)**2) / width**2) for s in (-1, 1))
    up = lambda number, amount: b[AU_NUMBERS.index(number), :, 1].__iadd__(amount)
    upper, lower = sum(UPPER_LIP, []), sum(LOWER_LIP, [])
    column = lambda points: np.clip(1 - (np.abs(mean[points, 0]) / .27)**2, 0, 1)
    up(1, .05 * bump(.15, .22, .15)), up(2, .05 * bump(.5, .22, .15)), up(4, -.05 * bump(.15, .22, .15))
    up(12, .07 * bump(.3, MOUTH_Y, .12)), up(15, -.06 * bump(.3, MOUTH_Y, .12))
    b[AU_NUMBERS.index(20), :, 0] = .08 * np.sign(mean[:, 0]) * bump(.3, MOUTH_Y, .12)
    jaw = -.12 * np.clip((MOUTH_Y - mean[:, 1]) / .1, 0, 1) * np.clip(1.2 - np.abs(mean[:, 0]), 0, 1)
    jaw[lower] = -.12 * column(lower)
    up(26, jaw)
    for number, above, below in ((25, .03, -.06), (10, .04, 0)):
        b[AU_NUMBERS.index(number), upper, 1] += above * column(upper)
        b[AU_NUMBERS.index(number), lower, 1] += below * column(lower)
    for e in (0, 1):
        opening = mean[UPPER_LID[e], 1] - mean[LOWER_LID[e], 1]
        b[AU_NUMBERS.index(45), UPPER_LID[e], 1] = -opening
        b[AU_NUMBERS.index(5), UPPER_LID[e], 1] = .3 * opening
    for k, number in enumerate((6, 7, 9, 14, 17, 23)):
        up(number, .02 * bump(.1 + .05 * k, -.2 - .1 * k, .1))
    return b


def write(folder, count=40, seed=1, prefix=""):
    """Writes faces/, faces.csv, faces_landmarks.npz and au_basis.npz. Every fourth portrait smiles. Files are named prefix0000.jpg
    and so on."""
    folder, r = pathlib.Path(folder), np.random.default_rng(seed)
    (folder / "faces").mkdir(parents=True)
    mean = mean_shape()
    b = basis(mean)
    names, points, aus = [], [], []
    for i in range(count):
        names.append(f"{prefix}{i:04}.jpg")
        au = np.zeros(len(AU_NUMBERS), np.float32)
        au[AU_NUMBERS.index(12)] = .5 * (i % 4 == 3)
        scale, turn = r.uniform(86, 98), r.uniform(-.1, .1)
        rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        shape = mean + np.tensordot(au, b, 1) + .004 * np.sin(mean[:, ::-1] * r.uniform(2, 4, 3))
        place = scale * shape @ rotation.T * [1, -1, -1] + [112 + r.uniform(-3, 3), 73, 0]
        points.append(np.round(place * 64).astype(np.int16))
        aus.append(au)
        coarse = r.uniform(60, 220, (14, 14, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((224, 224), Image.BICUBIC).save(folder / "faces" / names[-1], quality=90)
    np.savez(folder / "faces_landmarks.npz", names=np.array(names), points=np.stack(points), aus=np.stack(aus))
    shade = np.zeros((len(AU_NUMBERS), 160, 160), np.float32)
    shade[:, 70:75, 60:100] = -.1
    np.savez(folder / "au_basis.npz", aus=np.array(AU_NUMBERS), basis=b.astype(np.float32), mean_shape=mean.astype(np.float32),
             shade=shade)
    with open(folder / "faces.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "sex", "group"]] + [[n, "male" if i % 2 else "female", "drawn"]
                                                                 for i, n in enumerate(names)])
