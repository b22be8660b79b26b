from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from ray import serve

import emoengine
from emoengine import serve_app
from pairs import ROOT, Pairs

PHOTO = ROOT / "samples/astronaut.png"


@pytest.fixture
def start(one_machine: None, pairs: Pairs) -> Iterator[Callable[..., str]]:
    """Starts the application with options and gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(**options: Any) -> str:
        serve.start(http_options={"host": "127.0.0.1", "port": port, "request_timeout_s": 60})
        models = {"generator": pairs.generator, "speech": pairs.speech, "precision": "fp32"}
        serve.run(serve_app.app({**models, **options}))
        return f"http://127.0.0.1:{port}/"

    yield run
    serve.shutdown()


def ask(url: str, pairs: Pairs, **fields: str) -> requests.Response:
    files = {"image": PHOTO.read_bytes(), "audio": (pairs.folder / "voice.wav").read_bytes()}
    return requests.post(url, files=files, data=fields, timeout=120)


def test_two_replicas_answer_as_one_engine(start: Callable[..., str], pairs: Pairs, tmp_path: Path) -> None:
    url = start(min_replicas="2", max_replicas="2", batch="4", timeout_s="60")
    assert serve.status().applications["default"].deployments["emoengine"].replica_states == {"RUNNING": 2}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: ask(url, pairs, intensity=str(i / 8)), range(24)))
    assert [answer.status_code for answer in answers] == [200] * 24
    with emoengine.Engine(pairs.generator, pairs.speech, precision="fp32") as engine:
        for i in (0, 7, 23):
            want = engine.run(PHOTO, pairs.folder / "voice.wav", intensity=i / 8)
            emoengine.write_picture(tmp_path / "want.png", want.image)
            assert answers[i].content == (tmp_path / "want.png").read_bytes()

    for fields, text in (
        ({"intensity": "much"}, "`intensity`: 'much' cannot be used"),
        ({"face": "9"}, "face 9 was asked for, but 1 was found"),
        ({"colour": "1"}, "`colour`: is no field of the form; they are image, audio, face, relative, passes, detail, intensity"),
    ):
        answer = ask(url, pairs, **fields)
        assert answer.status_code == 400
        assert text in answer.json()["error"]
    answer = requests.post(url, data={"image": "a.png"}, timeout=60)
    assert (answer.status_code, answer.json()) == (400, {"error": "`image`: a text came; a file is needed"})


def test_beyond_the_queue_the_answer_is_503(start: Callable[..., str], pairs: Pairs) -> None:
    url = start(batch=1, max_queue=1)
    with ThreadPoolExecutor(16) as pool:
        states = {answer.status_code for answer in pool.map(lambda _: ask(url, pairs), range(24))}
    assert states == {200, 503}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"replicas": "2"}, "serve_app: `replicas` is no option; they are threads, gpus, min_replicas, "),
        ({"threads": "many"}, "serve_app: `threads`: 'many' came; a number is needed"),
    ],
)
def test_options_are_checked(options: dict[str, str], text: str) -> None:
    with pytest.raises(emoengine.ArgumentError, match=text):
        serve_app.app(options)
