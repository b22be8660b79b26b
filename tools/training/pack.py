"""Makes the training pack of the generator: one .npz with everything that training and evaluation read.

    python pack.py --data DIR [DIR ...] --out faces.npz

A DIR holds faces/ (portraits, the middle 160 of 224 pixels being the box of a face detector), faces_landmarks.npz (FaceMesh
landmarks, AUs shown) and faces.csv (file, sex, group); without faces.csv they are real people of whom nothing else is known,
of the group "real". The first DIR has au_basis.npz (displacement and shading of each AU) too. With --pictures and --openface,
a folder of your own pictures and OpenFace's CSV of each are packed instead; landmarks are then found by mediapipe, and
au_basis.npz is still read from DIR. The box of a face is cut with a margin, for augmentation.
"""
import csv
import dataclasses
import io
import itertools
import pathlib
import zipfile
import zlib

import numpy as np
import torch
from PIL import Image

from common import TrainingError, option, parse_options, read_openface, run, write_whole
from face_points import N_POINTS
from geometry import OwnExpression, pose, skin_triangles
from teacher import Portraits, Teacher

FORMAT = "emoengine faces 1"
FACE_SHARE = 0.8  # of the crop's side, is the detector's box
HELD_OUT = 20  # one portrait in so many is kept for evaluation


@dataclasses.dataclass
class Options:
    data: str = option(("../shared/data",), "folders with portraits, the first with au_basis.npz too", many=True)
    out: str = option("faces.npz", "pack to write")
    size: int = option(176, "side of the crops, pixels")
    quality: int = option(87, "JPEG quality of the crops")
    limit: int = option(0, "take only so many portraits of each folder; 0: all")
    pictures: str = option("", "folder of your own pictures, to pack instead of the portraits")
    openface: str = option("", "folder of OpenFace's CSV files, NAME.csv for NAME.jpg or NAME.png")


def is_held_out(name):
    """Splits by file name, so that a portrait stays on its side in every pack and every session."""
    return zlib.crc32(str(name).encode()) % HELD_OUT == 0


def read_arrays(path, names):
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except KeyError as error:
        raise TrainingError(f"{path}: has no array {error.args[0]}; it needs {', '.join(names)}") from None
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; see tools/training/README.md for the data that training needs") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainingError(f"{path}: not a readable .npz file ({error})") from None


def read_picture(path):
    try:
        return Image.open(path).convert("RGB")
    except OSError as error:
        raise TrainingError(f"{path}: not a readable picture ({error})") from None


def crop(picture, points, box, size):
    """Cuts the square box (left, top, side) with its landmarks; where the box leaves the picture, the border is repeated."""
    left, top, side = box
    padding = int(max(0, -left, -top, left + side - picture.width, top + side - picture.height)) + 1
    padded = Image.fromarray(np.pad(np.asarray(picture), ((padding, padding), (padding, padding), (0, 0)), mode="edge"))
    left_in, top_in = left + padding, top + padding
    small = padded.resize((size, size), Image.BICUBIC if side < size else Image.BOX,
                          box=(left_in, top_in, left_in + side, top_in + side))
    moved = points.copy()
    moved[:, :2] = (points[:, :2] + 0.5 - [left, top]) * size / side - 0.5
    moved[:, 2] *= size / side
    return small, moved


def portraits(folder, limit):
    """Name, sex, group, picture, landmarks (478,3) in its pixels, AUs and the detector's box of each portrait."""
    marks = read_arrays(folder / "faces_landmarks.npz", ["names", "points", "aus"])
    about, unknown = {}, ("", "real")
    try:
        with open(folder / "faces.csv", newline="") as file:
            about, unknown = {row["file"]: (row["sex"], row["group"]) for row in csv.DictReader(file)}, ("", "")
    except FileNotFoundError:
        pass
    except (OSError, KeyError) as error:
        raise TrainingError(f"{folder / 'faces.csv'}: not a table of file, sex and group ({error})") from None
    for name, points, au in list(zip(marks["names"], marks["points"], marks["aus"]))[:limit or None]:
        picture = read_picture(folder / "faces" / str(name))
        side = picture.width / 1.4
        corner = (picture.width - side) / 2
        yield str(name), *about.get(str(name), unknown), picture, points / 64.0, au, (corner, corner, side)


def own_pictures(folder, openface, limit, typical):
    """The same of a user's pictures. typical: where the landmarks of portraits lie in the detector's box, as fractions."""
    import face_mesh

    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:limit or None]
    if not paths:
        raise TrainingError(f"{folder}: no .jpg or .png pictures in it")
    for path in paths:
        table = openface / f"{path.stem}.csv"
        au = read_openface(table).mean(0).numpy()
        picture = read_picture(path)
        points = face_mesh.find([np.asarray(picture)])[0]
        if np.isnan(points).any():
            print(f"pack: {path}: no face found; left out")
            continue
        yield path.name, "", "", picture, points, au, detector_box(points, typical)


def detector_box(points, typical):
    """The box (left, top, side) that a face detector gives: where the landmarks lie in it as they do in the portraits'."""
    flat = points[:, :2]
    side = np.sqrt(((flat - flat.mean(0))**2).sum() / ((typical - typical.mean(0))**2).sum())
    return (*(flat.mean(0) + 0.5 - side * typical.mean(0)), side)


def widen(box):
    """The detector's box with the crop's margin."""
    left, top, side = box
    margin = side * (1 / FACE_SHARE - 1) / 2
    return left - margin, top - margin, side / FACE_SHARE


def make(options):
    """Reads, crops and estimates; returns the pack's arrays."""
    data = [pathlib.Path(folder) for folder in options.data]
    base = read_arrays(data[0] / "au_basis.npz", ["aus", "basis", "mean_shape", "shade"])
    mean, basis = base["mean_shape"].astype(np.float64), base["basis"].astype(np.float64)
    if options.pictures:
        folders = pathlib.Path(options.pictures), pathlib.Path(options.openface)
        rows = own_pictures(*folders, options.limit, typical_marks(mean))
    else:
        rows = itertools.chain.from_iterable(portraits(folder, options.limit) for folder in data)

    packed = set()
    columns = {name: [] for name in ("names", "sex", "group", "jpeg", "points", "aus", "rotation", "scale", "shape")}
    normalise = OwnExpression(mean, basis, np.eye(1, 936), np.ones(1)).normalise
    for name, sex, group, picture, points, au, box in rows:
        if name in packed:
            raise TrainingError(f"pack: {name} is in two folders; rename one, for a portrait is known by its file's name")
        packed.add(name)
        small, moved = crop(picture, points, widen(box), options.size)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=options.quality)
        rotation, scale = pose(moved, mean)
        jpeg = np.frombuffer(buffer.getvalue(), np.uint8)
        values = name, sex, group, jpeg, moved[:, :2], au, rotation, scale, normalise(points)
        for column, value in zip(columns.values(), values):
            column.append(value)
    if not columns["names"]:
        raise TrainingError("pack: no portrait is left to pack")

    own = OwnExpression.fit(np.stack(columns["shape"]), mean, basis, np.stack(columns["aus"]))
    return dict(
        format=np.array(FORMAT),
        names=np.array(columns["names"]), sex=np.array(columns["sex"]), group=np.array(columns["group"]),
        jpeg=np.concatenate(columns["jpeg"]), jpeg_end=np.cumsum([len(j) for j in columns["jpeg"]]),
        size=np.array(options.size),
        points=np.round(np.stack(columns["points"]) * 64).astype(np.int16),  # 1/64 px: finer than fp16 from 128 px on
        rotation=np.stack(columns["rotation"]).astype(np.float32), scale=np.array(columns["scale"], np.float32),
        aus=np.stack(columns["aus"]).astype(np.float32), basis=basis.astype(np.float16), mean_shape=mean.astype(np.float32),
        shade=base["shade"].astype(np.float16), triangles=skin_triangles(mean, basis).astype(np.int16),
        identity=own.identity.astype(np.float32), variance=own.variance.astype(np.float32))


def typical_marks(mean):
    """Where landmarks lie in the detector's box (478,2), fractions: the mean shape, scaled as the median portrait is."""
    return mean[:, :2] * [1, -1] * PackedFaces.UNIT_SHARE + PackedFaces.EYES_AT


class PackedFaces:
    """A pack opened for reading."""

    # Median over the portraits, as fractions of the detector's box: the distance of the outer eye corners, and the point
    # between the eyes.
    UNIT_SHARE, EYES_AT = 0.564, (0.5, 0.256)
    ARRAYS = ["format", "names", "sex", "group", "jpeg", "jpeg_end", "size", "points", "rotation", "scale", "aus", "basis",
              "mean_shape", "shade", "triangles", "identity", "variance"]

    def __init__(self, path):
        a = read_arrays(path, self.ARRAYS)
        if str(a["format"]) != FORMAT:
            raise TrainingError(f"{path}: is of format '{a['format']}', not '{FORMAT}'; make it again with pack.py")
        if not np.isfinite(a["aus"]).all() or a["points"].shape[1:] != (N_POINTS, 2):
            raise TrainingError(f"{path}: AUs or landmarks are damaged; make it again with pack.py")
        self.arrays, self.names, self.size = a, a["names"], int(a["size"])
        self.points = torch.from_numpy(a["points"].astype(np.float32) / 64)
        self.rotation, self.scale = torch.from_numpy(a["rotation"]), torch.from_numpy(a["scale"])
        self.aus = torch.from_numpy(a["aus"])
        held = np.array([is_held_out(name) for name in self.names])
        self.train, self.held_out = torch.from_numpy(np.nonzero(~held)[0]), torch.from_numpy(np.nonzero(held)[0])
        # How often each of `train` is drawn: a group's share goes with the root of its size. With all drawn alike, black men,
        # 3 % of the portraits, came out 0.04 of SSIM worse than the mean.
        group = [f"{sex} {group}" for sex, group in zip(a["sex"][~held], a["group"][~held])]
        _, member, size = np.unique(group, return_inverse=True, return_counts=True)
        self.odds = torch.from_numpy(size[member] ** -0.5)
        # Photos of real people are what users bring: a third of the draws, where there are others too.
        real = torch.from_numpy(a["group"][~held] == "real")
        if real.any() and not real.all():
            self.odds[real] *= self.odds[~real].sum() / (2 * self.odds[real].sum())
        self.photos = None

    def __len__(self):
        return len(self.names)

    @property
    def face_box(self):
        """The detector's box in a crop: left, top, side."""
        side = self.size * FACE_SHARE
        return torch.tensor([(self.size - side) / 2] * 2 + [side])

    def photo(self, index):
        """Crop (3,S,S) uint8."""
        end = self.arrays["jpeg_end"]
        data = self.arrays["jpeg"][end[index - 1] if index else 0:end[index]].tobytes()
        return torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1)

    def load_photos(self, device="cpu"):
        """Decodes every crop, once, into the device's memory."""
        self.photos = torch.stack([self.photo(i) for i in range(len(self))]).to(device)

    def portraits(self, index, device="cpu"):
        """The portraits of an index tensor (B)."""
        photos = torch.stack([self.photo(int(i)) for i in index]) if self.photos is None else self.photos[
            index.to(self.photos.device)]
        return Portraits(photos.to(device).float() / 255, self.points[index], self.rotation[index], self.scale[index],
                         self.aus[index]).to(device)

    def teacher(self, device="cpu"):
        a = self.arrays
        return Teacher(a["basis"].astype(np.float32), a["mean_shape"], a["shade"].astype(np.float32), a["triangles"], device)

    def own_expression(self):
        a = self.arrays
        return OwnExpression(*(a[name].astype(np.float64) for name in ("mean_shape", "basis", "identity", "variance")))


def main():
    options = parse_options(Options, __doc__)
    arrays = make(options)
    # np.savez adds .npz to a name without it, so it is given the open file.
    def write(part):
        with open(part, "wb") as file:
            np.savez_compressed(file, **arrays)
    write_whole(options.out, write)
    print(f"{options.out}: {len(arrays['names'])} portraits, {pathlib.Path(options.out).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
