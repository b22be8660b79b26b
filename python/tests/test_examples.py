"""The examples, run as they are shown."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import PHOTO, ROOT, VOICE
from PIL import Image

import emoengine

EXAMPLES = ROOT / "python/examples"


def test_the_readme_shows_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    example = EXAMPLES / "readme.py"
    assert example.read_text() in (ROOT / "README.md").read_text()
    shutil.copy(PHOTO, tmp_path / "photo.jpg")  # told by its content
    shutil.copy(VOICE, tmp_path / "voice.wav")
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(example))
    assert np.array_equal(np.asarray(Image.open("out.png")), made["result"].image)
    assert made["frame"].shape == (512, 512, 3) and len(made["curve"]) == 94


def test_the_demo_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    pytest.importorskip("gradio")
    from gradio_client import Client, handle_file

    page = runpy.run_path(str(EXAMPLES / "demo_gradio.py"))["page"]
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        client = Client(url, verbose=False)
        image, units, emotion = client.predict(handle_file(PHOTO), handle_file(VOICE), 1.0, api_name="/wear")
        assert np.asarray(Image.open(image)).shape == (512, 512, 3)
        assert emotion.startswith("happiness") and units["label"] in ("AU06", "AU12")
        wall = Path(image).with_name("wall.png")
        emoengine.write_picture(wall, np.full((99, 99, 3), 128, np.uint8))
        with pytest.raises(Exception, match="no face was found in 99x99 px"):
            client.predict(handle_file(wall), handle_file(VOICE), 1.0, api_name="/wear")
    finally:
        page.close()


def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    client.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
