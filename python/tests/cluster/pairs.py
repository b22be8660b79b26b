"""Manifests, and what came of them."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emoengine import _arrays, batch

ROOT = Path(__file__).resolve().parents[3]


class Pairs:
    """A folder with tiny models, a face and a voice, from which manifests of any number of different rows are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generator = str(folder / "generator.safetensors")
        self.speech = str(folder / "speech.safetensors")
        golden = ROOT / "tests/golden/checkpoints"
        self._convert(str(golden / "albertpumarola.pth"), "-o", self.generator)
        self._convert(
            *(str(golden / "speech.pth"), "--layout", "speech", "--config", str(golden / "speech.json"), "-o", self.speech)
        )
        face = Image.open(ROOT / "samples/astronaut.png").convert("RGB").crop((178, 80, 270, 172)).resize((128, 128))
        face.save(folder / "face.png")
        rate = 16000
        tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(rate // 2) / rate)
        (folder / "voice.wav").write_bytes(_arrays.wav_bytes(tone, rate))

    @staticmethod
    def _convert(*arguments: str) -> None:
        command = "from emoengine._command import main; main()"
        subprocess.run([sys.executable, "-c", command, "convert", *arguments], check=True, stdout=subprocess.DEVNULL)

    def manifest(self, path: Path, rows: int, *more: dict[str, Any]) -> Path:
        """Rows that differ in their intensity, then `more`."""
        with open(path, "w", newline="") as file:
            usual = {"image": f"{self.folder}/face.png", "voice": f"{self.folder}/voice.wav", "face": "crop", "detail": "network"}
            writer = csv.DictWriter(file, [*usual, "intensity"])
            writer.writeheader()
            for i in range(rows):
                writer.writerow({**usual, "intensity": f"{i / rows:.6f}"})
            for row in more:
                writer.writerow({**usual, **row})
        return path

    def job(self, manifest: Path | str, output: Path | str, **options: Any) -> batch.Job:
        options = {"generator": self.generator, "speech": self.speech, **options}
        return batch.Job(str(manifest), str(output), **options)

    def command(self, manifest: Path | str, output: Path | str, *options: str) -> list[str]:
        command = [sys.executable, "-m", "emoengine.batch", "--input", str(manifest), "--output", str(output)]
        return [*command, "--generator", self.generator, "--speech", self.speech, *options]


def read_report(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def results(output: Path) -> dict[str, bytes]:
    """The pictures of an output folder by name."""
    return {str(path.relative_to(output)): path.read_bytes() for path in output.glob("??/*.png")}


def wait_until_still(folder: Path) -> None:
    """Ray ends its processes a moment after their driver."""
    count = -1
    while count != (count := len(list(folder.glob("??/*.png")))):
        time.sleep(3)
