"""Makes the files of tests/media/fixtures and the seeds of tests/fuzz/corpus/{image,audio}. Needs Pillow, numpy, sox (with its MP3 format), heif-enc
(libheif-examples), avifenc (libavif-bin) and cjxl (libjxl-tools). Run in any folder.

Every picture shows the same: 48x32 pixels, four quarters of one colour each; where it has alpha, that rises from left to
right. Every sound is the same: half a second of a 440 Hz sine with an amplitude of 0.5.
"""

import pathlib
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

OUT = pathlib.Path(__file__).parent / "fixtures"
WIDTH, HEIGHT = 48, 32  # quarters of whole JPEG blocks
QUARTERS = [[(200, 40, 30), (30, 180, 60)], [(40, 50, 190), (220, 210, 200)]]


def pictures():
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for row in range(2):
        for col in range(2):
            pixels[row * 16 : row * 16 + 16, col * 24 : col * 24 + 24] = QUARTERS[row][col]
    rgb = Image.fromarray(pixels)
    alpha = np.tile(np.arange(WIDTH) * 255 // (WIDTH - 1), (HEIGHT, 1)).astype(np.uint8)
    rgba = Image.fromarray(np.dstack([pixels, alpha]), "RGBA")
    grey = rgb.convert("L")

    rgb.save(OUT / "rgb.jpg", quality=95, subsampling=0)
    rgb.save(OUT / "progressive.jpg", quality=95, subsampling=0, progressive=True)
    rgb.convert("CMYK").save(OUT / "cmyk.jpg", quality=95, subsampling=0)
    grey.save(OUT / "grey.jpg", quality=95)
    rgb.save(OUT / "rgb.png")
    rgba.save(OUT / "rgba.png")
    grey.save(OUT / "grey.png")
    rgba.convert("LA").save(OUT / "grey_alpha.png")
    palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    palette.save(OUT / "palette.png")
    rgb.save(OUT / "trns.png", transparency=QUARTERS[0][0])
    rgb.save(OUT / "rgb.webp", lossless=True)
    rgba.save(OUT / "rgba.webp", lossless=True, exact=True)
    rgb.save(OUT / "animated.webp", save_all=True, append_images=[ImageOps.invert(rgb)])
    rgb.save(OUT / "rgb.bmp")
    palette.save(OUT / "palette.bmp")
    rgb.save(OUT / "rgb.tif", compression="tiff_lzw")
    rgb.convert("CMYK").save(OUT / "cmyk.tif", compression="tiff_lzw")
    rgba.save(OUT / "rgba.tif", compression="tiff_lzw")
    rgb.save(OUT / "rgb.gif")
    png(OUT / "rgb16.png", 16, 2, (pixels.astype(">u2") * 257).tobytes(), WIDTH * 6)
    png(OUT / "rgba16.png", 16, 6, (np.dstack([pixels, alpha]).astype(">u2") * 257).tobytes(), WIDTH * 8)

    # sRGB's own profile, and sRGB with red and green in each other's place, in which the same picture is stored.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb
    for kind in (b"XYZ", b"TRC"):
        swapped = swapped.replace(b"r" + kind, b"?" + kind).replace(b"g" + kind, b"r" + kind).replace(b"?" + kind, b"g" + kind)
    stored = Image.fromarray(pixels[..., [1, 0, 2]])
    rgb.save(OUT / "srgb.png", icc_profile=srgb)
    stored.save(OUT / "profile.png", icc_profile=swapped)
    stored.save(OUT / "profile.jpg", quality=95, subsampling=0, icc_profile=swapped)
    stored.save(OUT / "profile.webp", lossless=True, icc_profile=swapped)
    stored.save(OUT / "profile.tif", compression="tiff_lzw", icc_profile=swapped)
    grey.save(OUT / "grey_profile.png", icc_profile=swapped)

    # Stored so that orientation N turns it upright; Pillow is the judge.
    turn = Image.Transpose
    stored = {1: [], 2: [turn.FLIP_LEFT_RIGHT], 3: [turn.ROTATE_180], 4: [turn.FLIP_TOP_BOTTOM], 5: [turn.TRANSPOSE],
              6: [turn.ROTATE_90], 7: [turn.TRANSVERSE], 8: [turn.ROTATE_270]}
    for orientation, steps in stored.items():
        picture, with_alpha = rgb, rgba
        for step in steps:
            picture, with_alpha = picture.transpose(step), with_alpha.transpose(step)
        exif = Image.Exif()
        exif[274] = orientation
        picture.save(OUT / f"turned{orientation}.jpg", quality=95, subsampling=0, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(OUT / f"turned{orientation}.jpg"))
        assert np.abs(np.asarray(upright).astype(int) - pixels).max() < 8, orientation
        if orientation in (6, 7):
            with_alpha.save(OUT / f"turned{orientation}.png", exif=exif)
            picture.save(OUT / f"turned{orientation}.webp", lossless=True, exif=exif)
            picture.save(OUT / f"turned{orientation}.tif", compression="tiff_lzw", tiffinfo={274: orientation})

    Image.new("1", (65494, 5)).save(OUT / "long.png")
    Image.new("1", (9000, 6000)).save(OUT / "huge.png")  # 54 megapixels in a few kB


def png(path, bits, colour, rows, stride):
    """A PNG of these big-endian rows, which Pillow cannot write with 16 bits a channel."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + rows[i : i + stride] for i in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def newer_pictures():
    """HEIC, AVIF and JPEG XL of the pictures above, without loss unless the name says so."""
    def call(program, *options):
        subprocess.run([program, *map(str, options)], check=True, cwd=OUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def heic(source, name, *options):
        call("heif-enc", "-L", "-p", "chroma=444", "--matrix_coefficients=0", *options, source, "-o", name)

    for name in ("rgb", "rgba", "grey", "profile"):
        heic(f"{name}.png", f"{name}.heic")
        call("avifenc", "-l", f"{name}.png", f"{name}.avif")
        call("cjxl", "-d", "0", f"{name}.png", f"{name}.jxl")
    heic("rgb16.png", "rgb10.heic", "-b", "10")
    call("avifenc", "-l", "-d", "12", "rgb16.png", "rgb12.avif")
    call("cjxl", "-d", "0", "rgb16.png", "rgb16.jxl")
    for orientation in (6, 7):  # in EXIF; avifenc turns by irot and imir too, cjxl by the stream's own header
        call("avifenc", "-l", f"turned{orientation}.png", f"turned{orientation}.avif")
        call("cjxl", "-d", "0", f"turned{orientation}.png", f"turned{orientation}.jxl")
    call("cjxl", "turned6.jpg", "jpeg6.jxl")  # the JPEG's own blocks, in a container with its EXIF
    call("cjxl", "-d", "0.3", "profile.png", "lossy.jxl")

    # The same colours numbered as Display P3, in its curve, which is sRGB's.
    to_p3 = np.linalg.inv(rgb_to_xyz([(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)])) @ rgb_to_xyz([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)])
    stored = np.asarray(Image.open(OUT / "rgb.png")) / 255
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4) @ to_p3.T
    curved = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055)
    p3 = OUT / "p3.png"
    Image.fromarray((curved.clip(0, 1) * 255).round().astype(np.uint8)).save(p3)
    call("avifenc", "-l", "--cicp", "12/13/0", p3, "p3.avif")
    call("avifenc", "-l", "--cicp", "9/16/0", p3, "pq.avif")
    call("avifenc", "-l", "rgb.png", "p3.png", "animated.avif")
    p3.unlink()
    film = OUT / "film.png"
    Image.open(OUT / "rgb.png").save(film, save_all=True, append_images=[Image.open(OUT / "palette.png").convert("RGB").rotate(180)])
    call("cjxl", "-d", "0", film, "animated.jxl")
    film.unlink()


def rgb_to_xyz(primaries):
    """The matrix of these primaries' x, y under D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


def sounds(out, seconds):
    def sox(name, *options):
        subprocess.run(["sox", "-D", "-R", "-n", *options, out / name, "synth", str(seconds), "sine", "440", "vol", "0.5"], check=True)

    sox("sine8.wav", "-r", "8000", "-b", "8")
    sox("sine24.wav", "-r", "11025", "-b", "24")
    sox("sine32.wav", "-r", "8000", "-b", "32")
    sox("sine64f.wav", "-r", "8000", "-e", "floating-point", "-b", "64")
    sox("ulaw.wav", "-r", "8000", "-e", "u-law")
    sox("alaw.wav", "-r", "8000", "-e", "a-law")
    sox("adpcm.wav", "-r", "8000", "-e", "ima-adpcm")
    sox("gsm.wav", "-r", "8000", "-e", "gsm-full-rate")
    sox("sine.aiff", "-r", "8000", "-b", "16")
    sox("sine.au", "-r", "8000", "-b", "16")
    sox("sine.caf", "-r", "8000", "-b", "16")
    sox("sine.flac", "-r", "44100", "-b", "16", "-c", "2")
    sox("sine.ogg", "-r", "22050")
    sox("sine.mp3", "-r", "44100", "-C", "64")
    (out / "mp3_named.wav").write_bytes((out / "sine.mp3").read_bytes())
    piped = subprocess.run(["sox", "-D", "-R", "-n", "-r", "8000", "-b", "16", "-t", "wav", "-", "synth", str(seconds), "sine", "440", "vol", "0.5"],
                           check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    (out / "piped.wav").write_bytes(piped)
    flac = bytearray((out / "sine.flac").read_bytes())
    flac[21] &= 0xF0  # STREAMINFO's 36 bits of total samples: 0 is unknown
    flac[22:26] = bytes(4)
    (out / "unknown_length.flac").write_bytes(flac)


def corpus():
    """Seeds for tests/fuzz: the smallest pictures, and the same sounds but short."""
    fuzz = OUT.parent.parent / "fuzz" / "corpus"
    for name in ("image", "audio"):
        (fuzz / name).mkdir(parents=True, exist_ok=True)
    for picture in OUT.iterdir():
        if picture.suffix in (".jpg", ".png", ".webp", ".bmp", ".tif", ".heic", ".avif", ".jxl") and picture.stat().st_size < 1400:
            (fuzz / "image" / picture.name).write_bytes(picture.read_bytes())
    sounds(fuzz / "audio", 0.02)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    pictures()
    newer_pictures()
    sounds(OUT, 0.5)
    corpus()
