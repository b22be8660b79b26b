"""Measures a generator on portraits kept out of training, and on photos of your own: JSON and contact sheets.

    python evaluate.py --pack faces.npz --weights weights.pth --out report/ --photos astronaut.png

What an AU does is measured on FaceMesh landmarks of the result, against the result for zeros, in units of the distance of
the outer eye corners; pictures are compared with the teacher's. With --engine the results are those of the engine's
command line instead of PyTorch's.
"""
import dataclasses
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import face_mesh
from common import AU_NAMES, AU_NUMBERS, EMOTIONS, TrainingError, option, parse_options, prototype, run, write_json
from face_points import INNER_BROW, OUTER_BROW
from generator import generator_of, to_network, to_pixels
from geometry import pose
from pack import PackedFaces, crop, detector_box, read_picture, typical_marks, widen
from teacher import Portraits
from train_generator import read_weights

SIZE = 128
MARGIN = 0.35  # of a portrait's side, added on each side for sharp: the detector wants room round a face
FACE = (slice(14, 126), slice(14, 114))  # rows and columns of the picture that the face fills


@dataclasses.dataclass
class Options:
    pack: str = option("faces.npz", "training pack, for its held-out portraits")
    weights: str = option("generator.pth", "weights, or a state of train_generator.py")
    out: str = option("evaluation", "folder for evaluation.json and the sheets")
    photos: str = option((), "photos to measure as well", many=True)
    group: str = option("", "take held-out portraits of this group alone, for example real")
    count: int = option(0, "held-out portraits to take, evenly spread; 0: all")
    sheets: int = option(6, "portraits on the contact sheets")
    face_mesh_python: str = option("", "Python that has mediapipe; empty: this one")
    engine: str = option("", "emoengine program that draws the results")
    model: str = option("", "its --generator file")
    detail: str = option("network", "its --detail; for sharp it is given the whole portraits, enlarged")
    threads: int = option(0, "CPU threads; 0: as PyTorch likes")


def distance(s, a, b):
    return np.linalg.norm(s[..., a, :2] - s[..., b, :2], axis=-1)


# Of normalised landmarks (..., 478, 3), y up: what each AU increases, and by how much at least.
LIDS = lambda s: distance(s, 159, 145) + distance(s, 386, 374)  # both eyes together
CORNERS = lambda s: s[..., [61, 291], 1].mean(-1)
GAP = lambda s: distance(s, 13, 14)
MEASURES = {
    1: (lambda s: s[..., INNER_BROW, 1].mean(-1), .01), 2: (lambda s: s[..., OUTER_BROW, 1].mean(-1), .01),
    4: (lambda s: -s[..., INNER_BROW, 1].mean(-1), .01), 5: (LIDS, .01), 10: (lambda s: -distance(s, 2, 0), .004),
    12: (CORNERS, .01), 15: (lambda s: -CORNERS(s), .01), 20: (lambda s: distance(s, 61, 291), .01), 25: (GAP, .01),
    26: (GAP, .04), 45: (lambda s: -LIDS(s), .03)}
STRENGTHS = (.25, .5, .75)
NOISE = 0.003  # of a landmark measure on still pictures, units: less is no step back


def wanted():
    """AU vectors asked of every portrait, and their names."""
    unit = torch.eye(len(AU_NUMBERS))
    names, rows = ["neutral"], [torch.zeros(len(AU_NUMBERS))]
    names += AU_NAMES
    rows += list(unit)
    for name in EMOTIONS[1:]:
        names.append(name)
        rows.append(prototype(name))
    for number in MEASURES:
        for strength in STRENGTHS:
            names.append(f"AU{number:02}x{strength}")
            rows.append(unit[AU_NUMBERS.index(number)] * strength)
    return names, torch.stack(rows)


def photo_portrait(path, faces, python):
    """A photo as the packed portraits are: landmarks, pose and own expression estimated."""
    picture = read_picture(path)
    points = face_mesh.find_with(python, np.asarray(picture)[None])[0]
    if np.isnan(points).any():
        raise TrainingError(f"{path}: no face found in it")
    mean = faces.arrays["mean_shape"].astype(np.float64)
    own = faces.own_expression()
    small, moved = crop(picture, points, widen(detector_box(points, typical_marks(mean))), faces.size)
    rotation, scale = pose(moved, mean)
    tensor = lambda a: torch.from_numpy(np.asarray(a, np.float32))[None]
    photo = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    return Portraits(photo, tensor(moved[:, :2]), tensor(rotation), tensor(scale), tensor(own(own.normalise(points))))


def engine_pictures(options, source, au):
    """What the engine draws for one picture (3,S,S) uint8 and AUs (n,17)."""
    with tempfile.TemporaryDirectory() as folder:
        photo, result = f"{folder}/photo.png", f"{folder}/face.png"
        Image.fromarray(source.permute(1, 2, 0).numpy()).save(photo)
        pictures = []
        for row in au:
            text = ",".join(f"{name}={value:.6f}" for name, value in zip(AU_NAMES, row.tolist()))
            command = [options.engine, "generate", "-i", photo, "--au", text, "--detail", options.detail, "-o", result]
            command += ["--crop", "none"] if options.detail == "network" else []
            command += ["--generator", options.model] if options.model else []
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise TrainingError(f"{options.engine}: {done.stderr.strip()}")
            pictures.append(torch.from_numpy(np.array(Image.open(result).convert("RGB"))).permute(2, 0, 1))
    return torch.stack(pictures)


def sharp_pictures(options, portrait, box, au):
    """The same for a whole portrait, whose face the engine finds; the detector's box is cut out of the results."""
    margin = round(MARGIN * portrait.photos.shape[-1])
    photo = F.interpolate(F.pad(portrait.photos, [margin] * 4, "replicate"), scale_factor=2, mode="bicubic")
    drawn = engine_pictures(options, to_pixels(to_network(photo.clamp(0, 1)))[0], au).float()
    x, y, box_side = ((box + torch.tensor([margin, margin, 0])) * 2).round().int().tolist()
    cut = drawn[..., y:y + box_side, x:x + box_side]
    return F.interpolate(cut, SIZE, mode="bicubic", antialias=True).round().clamp(0, 255).byte()


@torch.no_grad()
def draw(options, net, teacher, portrait, box, au):
    """Source (3,S,S) and, for each row of au (n,17), the network's and the teacher's picture (n,3,S,S), all uint8."""
    n = len(au)
    source = to_pixels(to_network(teacher.render(portrait, portrait.own, box[None], SIZE)))[0]
    taught, drawn = [], []
    for rows in torch.arange(n).split(16):
        repeated = portrait[torch.zeros(len(rows), dtype=torch.int64)]
        taught.append(to_pixels(to_network(teacher.render(repeated, au[rows], box.expand(len(rows), 3), SIZE))))
        if net:
            photo = to_network(source.float() / 255).expand(len(rows), -1, -1, -1)
            drawn.append(to_pixels(net(photo, au[rows])[0]))
    if not net:
        sharp = options.detail != "network"
        drawn = [sharp_pictures(options, portrait, box, au) if sharp else engine_pictures(options, source, au)]
    return source, torch.cat(drawn), torch.cat(taught)


def psnr(a, b, where=None):
    error = (a.float() - b.float()).square()
    error = error[where.expand_as(error)] if where is not None else error
    return float(10 * torch.log10(255**2 / error.mean().clamp(min=1e-2)))  # 68 dB at most: equal in 8 bits


def ssim(a, b):
    """Of grey values, windows of 8 pixels (Wang et al. 2004)."""
    a, b = (p.float().mean(-3, keepdim=True) for p in (a, b))
    mean = lambda p: F.avg_pool2d(p, 8, 1)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    value = (2 * ma * mb + 6.5) * (2 * cov + 58.5) / ((ma**2 + mb**2 + 6.5) * (va + vb + 58.5))
    return value.flatten(1).mean(1)


def face_of(pictures):
    return pictures[..., FACE[0], FACE[1]]


def compare(names, source, drawn, taught, own_drawn):
    """Figures of one portrait against the teacher; `nothing` is the photo left as it is."""
    whole = len(AU_NAMES) + len(EMOTIONS)  # neutral, AUs and emotions; the strengths are for the landmarks
    still = ((taught.int() - source.int()).abs().amax(1, keepdim=True) <= 1)
    fraction = lambda a: ssim(face_of(a), face_of(taught))[:whole].mean().item()
    return {
        "ssim": fraction(drawn), "ssim_nothing": fraction(source.expand_as(taught)),
        "psnr": {n: psnr(face_of(d), face_of(t)) for n, d, t in list(zip(names, drawn, taught))[:whole]},
        "psnr_nothing": {n: psnr(face_of(source), face_of(t)) for n, t in list(zip(names, taught))[:whole]},
        "psnr_still": psnr(drawn[:whole], taught[:whole], still[:whole].expand_as(taught[:whole])),
        "psnr_own": psnr(own_drawn, source)}


def au_table(names, drawn, taught):
    """What each measured AU does, on normalised landmarks (portraits, n, 478, 3) of the results and of the teacher's; rows
    in which no face was found are NaN and count as wrong."""
    at = {name: i for i, name in enumerate(names)}
    table = {}
    for number, (measure, least) in MEASURES.items():
        name = f"AU{number:02}"
        value = lambda s: measure(s[:, at[name]]) - measure(s[:, at["neutral"]])
        got, model = value(drawn), value(taught)
        steps = np.stack([measure(drawn[:, at[k]]) for k in
                          ["neutral", *(f"{name}x{s}" for s in STRENGTHS), name]])
        table[name] = {"least": least, "right": float(np.mean(got >= least)), "median": float(np.nanmedian(got)),
                       "teacher_right": float(np.mean(model >= least)), "teacher_median": float(np.nanmedian(model)),
                       "share": float(np.nanmedian(got) / max(np.nanmedian(model), NOISE)),
                       "monotone": float(np.mean((np.diff(steps, axis=0) > -NOISE).all(0)))}
    return table


def sheet(path, rows):
    """Saves rows of pictures (3,S,S) as one PNG."""
    grid = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    Image.fromarray(grid.permute(1, 2, 0).numpy()).save(path)


def evaluate(options):
    faces = PackedFaces(options.pack)
    if options.threads:
        torch.set_num_threads(options.threads)
    net = None if options.engine else generator_of(read_weights(options.weights), options.weights).eval()
    teacher, box, own = faces.teacher(), faces.face_box, faces.own_expression()
    held = faces.held_out
    if options.group:
        held = held[torch.from_numpy(faces.arrays["group"][held] == options.group)]
    if options.count:
        held = held[torch.linspace(0, len(held) - 1, min(options.count, len(held))).round().long()]
    group_of = lambda i: f"{faces.arrays['sex'][i]} {faces.arrays['group'][i]}"
    cases = [(str(faces.names[i]), group_of(i), faces.portraits(i[None])) for i in held]
    cases += [(pathlib.Path(p).name, "photo", photo_portrait(p, faces, options.face_mesh_python)) for p in options.photos]
    if not cases:
        raise TrainingError(f"{options.pack}: none of its portraits is held out; pack more of them")

    names, au = wanted()
    figures, sources, drawn, taught = [], [], [], []
    for k, (name, group, portrait) in enumerate(cases):
        source, d, t = draw(options, net, teacher, portrait, box, torch.cat([au, portrait.own]))
        figures.append(dict(name=name, group=group, **compare(names, source, d[:-1], t[:-1], d[-1])))
        sources.append(source)
        drawn.append(d[:-1])
        taught.append(t[:-1])
        if (k + 1) % 10 == 0:
            print(f"drawn {k + 1} of {len(cases)}", flush=True)

    def shapes(pictures):
        flat = torch.cat(pictures).permute(0, 2, 3, 1).numpy()
        points = face_mesh.find_with(options.face_mesh_python, flat)
        flat = np.stack([p if np.isnan(p).any() else own.normalise(p) for p in points])
        return flat.reshape(len(pictures), -1, *flat.shape[1:])
    drawn_shapes, taught_shapes, source_shapes = shapes(drawn), shapes(taught), shapes([s[None] for s in sources])[:, 0]
    report = summary(names, figures, drawn_shapes, taught_shapes, source_shapes)

    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "evaluation.json", report)
    # The portraits first, and every photo.
    shown = list(range(min(options.sheets, len(held)))) + list(range(len(held), len(cases)))
    n_aus = 1 + len(AU_NAMES)
    last = n_aus + len(EMOTIONS) - 1
    for name, columns in (("aus.png", range(n_aus)), ("emotions.png", [0, *range(n_aus, last)])):
        sheet(out / name, [(sources[k], *(pictures[k][c] for c in columns)) for k in shown for pictures in (drawn, taught)])
    return report


def summary(names, figures, drawn, taught, source):
    """The report: means, the AU table, groups with the worst first, each photo by itself."""
    portraits = np.array([f["group"] != "photo" for f in figures])
    if not portraits.any():
        portraits[:] = True
    chosen = [f for f, take in zip(figures, portraits) if take]
    mean = lambda key, rows: float(np.mean([r[key] for r in rows]))
    smiling = portraits & (GAP(source) > .04)
    table = au_table(names, drawn[portraits], taught[portraits])
    groups = {}
    for group in sorted({f["group"] for f in chosen}):
        member = np.array([f["group"] == group for f in figures])
        rows = [f for f in chosen if f["group"] == group]
        aus = au_table(names, drawn[member], taught[member])
        worst = min(aus, key=lambda name: aus[name]["right"])
        groups[group] = {"portraits": len(rows), "ssim": mean("ssim", rows), "psnr_own": mean("psnr_own", rows),
                         "aus_right": float(np.mean([row["right"] for row in aus.values()])),
                         "worst_au": worst, "worst_au_right": aus[worst]["right"]}
    return {
        "portraits": len(chosen), **{key: mean(key, chosen) for key in ("ssim", "ssim_nothing", "psnr_still", "psnr_own")},
        "psnr": {n: float(np.mean([f["psnr"][n] for f in chosen])) for n in chosen[0]["psnr"]},
        "psnr_nothing": {n: float(np.mean([f["psnr_nothing"][n] for f in chosen])) for n in chosen[0]["psnr"]},
        "aus": table,
        # The teacher shuts them too, but not always wholly: a third of what showed may stay.
        "open_mouths": int(smiling.sum()),
        "closed_by_zeros": float(np.mean(GAP(drawn[smiling, 0]) < GAP(source[smiling]) / 3)) if smiling.any() else None,
        "groups": groups, "worst_group": min(groups, key=lambda g: groups[g]["ssim"]),
        "photos": {f["name"]: {"ssim": f["ssim"], "ssim_nothing": f["ssim_nothing"], "psnr_own": f["psnr_own"],
                               "aus": au_table(names, drawn[k:k + 1], taught[k:k + 1])}
                   for k, f in enumerate(figures) if f["group"] == "photo"}}


def print_report(r):
    print(f"{r['portraits']} portraits: SSIM {r['ssim']:.3f} (nothing {r['ssim_nothing']:.3f}), PSNR where nothing changes "
          f"{r['psnr_still']:.1f} dB, own expression {r['psnr_own']:.1f} dB, "
          f"open mouths closed by zeros {r['closed_by_zeros']} of {r['open_mouths']}")
    print("PSNR: " + ", ".join(f"{n} {v:.1f} ({r['psnr_nothing'][n]:.1f})" for n, v in r["psnr"].items()))
    for name, row in r["aus"].items():
        print(f"{name} right {row['right']:.2f} (teacher {row['teacher_right']:.2f}) median {row['median']:.3f} "
              f"({row['teacher_median']:.3f}, share {row['share']:.2f}) monotone {row['monotone']:.2f}")
    for group, row in r["groups"].items():
        print(f"{group}: {json.dumps(row)}")
    for name, photo in r["photos"].items():
        print(f"{name}: SSIM {photo['ssim']:.3f} ({photo['ssim_nothing']:.3f}); " +
              ", ".join(f"{n} {row['median']:.3f}/{row['teacher_median']:.3f}" for n, row in photo["aus"].items()))


def main():
    print_report(evaluate(parse_options(Options, __doc__.splitlines()[0])))


if __name__ == "__main__":
    run(main)
