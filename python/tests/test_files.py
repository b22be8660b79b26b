"""Pictures and sounds of files: Pillow's pixels are OpenCV's, and errors name the file."""

from __future__ import annotations

import ctypes
import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import PHOTO, ROOT, VOICE
from PIL import Image, ImageCms

import emoengine


class _Source(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char_p), ("data", ctypes.c_char_p), ("bytes", ctypes.c_size_t)]


class _Image(ctypes.Structure):
    _fields_ = [
        ("pixels", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("stride", ctypes.c_ssize_t),
        ("format", ctypes.c_int32),
        ("memory", ctypes.c_int32),
    ]


@pytest.fixture(scope="module")
def opencv():  # type: ignore[no-untyped-def]
    """Reads a picture by a build's library, whose pixels are OpenCV's."""
    file = ROOT / os.environ.get("EMO_BUILD", "build") / "lib/libemoengine.so.0"
    if not file.exists():
        pytest.skip(f"{file} is not built")
    library = ctypes.CDLL(str(file))
    library.emo_error.restype = ctypes.c_char_p

    def read(data: bytes) -> np.ndarray:
        picture, image = ctypes.c_void_p(), _Image()
        status = library.emo_read_picture(ctypes.byref(_Source(None, data, len(data))), ctypes.byref(picture))
        assert status == 0, library.emo_error()
        library.emo_picture_image(picture, ctypes.byref(image))
        channels = 4 if image.format == 2 else 3
        size = image.height * image.width * channels
        pixels = np.frombuffer(ctypes.string_at(image.pixels, size), np.uint8)
        library.emo_picture_free(picture)
        return pixels.reshape(image.height, image.width, channels)

    return read


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _pictures() -> dict[str, bytes]:
    photo = Image.open(PHOTO).convert("RGB").resize((123, 77))
    alpha = photo.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    turned = Image.Exif()
    turned[0x0112] = 6
    wide = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red = int.from_bytes(wide[wide.index(b"rXYZ") + 4 :][:4], "big")  # where its tag lies
    wide[red + 8 : red + 12] = (0x9000).to_bytes(4, "big")  # X of 0.5625 in place of sRGB's 0.436
    steps = np.linspace(0, 65535, 123 * 77).reshape(77, 123).astype(np.uint16)
    return {
        "png": _saved(photo, "PNG"),
        "png_alpha": _saved(alpha, "PNG"),
        "png_grey": _saved(photo.convert("L"), "PNG"),
        "png_grey_alpha": _saved(alpha.convert("LA"), "PNG"),
        "png_grey_16": _saved(Image.fromarray(steps), "PNG"),
        "png_1": _saved(photo.convert("1"), "PNG"),
        "png_palette": _saved(photo.quantize(32), "PNG"),
        "png_palette_alpha": _saved(photo.quantize(32), "PNG", transparency=3),
        "png_turned": _saved(photo, "PNG", exif=turned),
        "png_profile": _saved(photo, "PNG", icc_profile=bytes(wide)),
        "jpg": _saved(photo, "JPEG", quality=90),
        "jpg_444": _saved(photo, "JPEG", quality=90, subsampling=0),
        "jpg_progressive": _saved(photo, "JPEG", progressive=True),
        "jpg_grey": _saved(photo.convert("L"), "JPEG"),
        "jpg_cmyk": _saved(photo.convert("CMYK"), "JPEG"),
        "jpg_turned": _saved(photo, "JPEG", exif=turned),
        "jpg_profile": _saved(photo, "JPEG", icc_profile=bytes(wide)),
        "webp": _saved(photo, "WEBP"),
        "webp_alpha": _saved(alpha, "WEBP", lossless=True),
        "tif": _saved(photo, "TIFF", compression="tiff_lzw"),
        "bmp": _saved(photo, "BMP"),
        "bmp_32": _saved(alpha, "BMP"),
    }


PICTURES = _pictures()


@pytest.mark.parametrize("kind", PICTURES)
def test_pixels_are_the_command_lines(kind: str, opencv) -> None:  # type: ignore[no-untyped-def]
    want = opencv(PICTURES[kind])
    got = emoengine.read_picture(PICTURES[kind])
    assert got.shape == want.shape
    assert np.abs(got.astype(int) - want).max() == 0


def test_a_tiff_with_alpha_keeps_its_pixels() -> None:
    # OpenCV's are multiplied by their alpha and divided again, which loses levels where alpha is low.
    picture = Image.open(io.BytesIO(PICTURES["png_alpha"]))
    assert np.array_equal(emoengine.read_picture(_saved(picture, "TIFF")), np.asarray(picture))


def test_16_bits_a_colour_are_cut_to_8(opencv) -> None:  # type: ignore[no-untyped-def]
    # Pillow drops the lower byte where OpenCV rounds; a level is all that they can differ by.
    values = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 192) * 5 % 65536
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.abs(emoengine.read_picture(png).astype(int) - opencv(png)).max() <= 1


@pytest.mark.parametrize("kind", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_pictures_are_written_by_their_ending(kind: str, photo: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / f"out{kind}"
    emoengine.write_picture(file, photo[:, :, ::-1], order="bgr")
    got = emoengine.read_picture(file).astype(int)
    lossy = kind in (".webp", ".jpg")
    assert np.abs(got - photo).mean() < (3 if lossy else 1e-9)  # quality 95


def test_order_turns_channels_of_files(photo: np.ndarray) -> None:
    assert np.array_equal(emoengine.read_picture(PHOTO, order="bgr"), photo[:, :, ::-1])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cut.png", PHOTO.read_bytes()[:5000], "cut.png: "),
        ("cut.jpg", PICTURES["jpg"][:-400], "cut.jpg: "),
        ("voice.png", VOICE.read_bytes(), "voice.png: is a FLAC sound"),
        ("heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "cannot be loaded"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(emoengine.Error) as error:
        emoengine.read_picture(tmp_path / name)
    assert says in str(error.value)


def test_damaged_pixels_are_told() -> None:
    data = bytearray(PICTURES["png"])
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    data[start : start + length] = bytes(length)  # no zlib stream, with a right check sum
    data[start + length : start + length + 4] = zlib.crc32(data[start - 4 : start + length]).to_bytes(4, "big")
    with pytest.raises(emoengine.InputError, match="its pixels cannot be decoded; the file is damaged or of a rare kind"):
        emoengine.read_picture(bytes(data))


def test_a_sound_that_cannot_be_read_is_named(engine: emoengine.Engine, tmp_path: Path) -> None:
    file = tmp_path / "clip.wav"
    file.write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(emoengine.InputError, match="clip.wav"):
        engine.aus(file)
    with pytest.raises(emoengine.InputError, match="missing.wav: cannot be opened"):
        engine.aus(tmp_path / "missing.wav")


# ---- By PyAV


def test_a_video_is_written_heard_and_seen(engine: emoengine.Engine, photo: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from emoengine import video

    file = tmp_path / "clip.mp4"
    odd = photo[:301, :201]
    video.write_video(file, [odd, odd[::-1], odd], 25, VOICE)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    frames = list(video.read_video(file))
    assert len(frames) == 3 and frames[1][0] == pytest.approx(0.04) and frames[0][1].shape == (302, 202, 3)
    assert np.abs(frames[0][1][:301, :201].astype(int) - odd).mean() < 6  # H.264's default quality
    assert engine.emotion(engine.aus(file)).name == engine.emotion(engine.aus(VOICE)).name  # AAC


def test_without_pyav_a_video_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    file = tmp_path / "clip.m4a"
    file.write_bytes(b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom" + bytes(100))
    with pytest.raises(emoengine.DeviceError, match=r"pip install 'emoengine\[video\]'"):
        emoengine.read_sound(file, 16000)
