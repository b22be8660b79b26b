"""What the Engine does, against itself and the command line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import FACE, PHOTO, ROOT, VOICE
from PIL import Image

import emoengine

SMILE = {"AU12": 1.0, "AU06": 0.8}


def refused(kind: type[emoengine.Error], call, *arguments, **keywords) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(kind) as error:
        call(*arguments, **keywords)
    return str(error.value)


# ---- The same as the command line


@pytest.fixture(scope="module")
def command() -> str:
    """The command line of the build where there is one, which reads pictures by OpenCV; else the package's own."""
    built = ROOT / os.environ.get("EMO_BUILD", "build") / "bin/emoengine"
    return str(built) if built.exists() else str(Path(sys.executable).parent / "emoengine")


def test_samples_give_the_commands_pixels(command: str, tmp_path: Path) -> None:
    subprocess.run(
        [command, "run", "--image", PHOTO, "--audio", VOICE, "-o", tmp_path / "out.png", "--quiet"], check=True
    )
    with emoengine.Engine() as engine:
        result = engine.run(PHOTO, VOICE)
    assert np.array_equal(result.image, np.asarray(Image.open(tmp_path / "out.png")))
    assert result.emotion.name == "happiness"
    assert list(result.aus)[:2] == ["AU01", "AU02"]
    assert len(result.faces) == 1


def test_a_table_has_the_commands_bytes(engine: emoengine.Engine, command: str, tmp_path: Path) -> None:
    subprocess.run(
        [command, "aus", "--audio", VOICE, "--per-frame", "--fps", "30", "-o", tmp_path / "want.csv"], check=True
    )
    engine.aus_per_frame(VOICE, fps=30).write_csv(tmp_path / "got.csv")
    assert (tmp_path / "got.csv").read_bytes() == (tmp_path / "want.csv").read_bytes()


def test_the_packages_command_draws_the_same(tmp_path: Path, engine: emoengine.Engine) -> None:
    own = Path(sys.executable).parent / "emoengine"
    arguments = ["generate", "--image", PHOTO, "--au", "12=1,6=0.8", "--lite", "-o", tmp_path / "out.png"]
    subprocess.run([own, *arguments], check=True)
    assert np.array_equal(engine.generate(PHOTO, "12=1,6=0.8"), np.asarray(Image.open(tmp_path / "out.png")))


def test_the_packages_command_says_what_it_lacks(tmp_path: Path) -> None:
    own = Path(sys.executable).parent / "emoengine"
    arguments = ["sweep", "--image", PHOTO, "-o", tmp_path / "out.png", "--au", "12", "--steps", "2"]
    done = subprocess.run([own, *arguments], capture_output=True, text=True)
    assert done.returncode == 5
    assert "the plug-in for WebP, TIFF and BMP pictures and figures cannot be loaded" in done.stderr


def test_the_speech_model_for_research_is_another() -> None:
    with emoengine.Engine(research=True, models="speech") as research, emoengine.Engine(models="speech") as free:
        assert (research.hear(VOICE).whole() != free.hear(VOICE).whole()).any()
    said = refused(emoengine.ArgumentError, emoengine.Engine, speech="x.safetensors", research=True)
    assert said == "`research`: True came with a `speech`; give one of them"


# ---- Pictures in and out


def test_forms_of_a_picture_give_the_same_face(engine: emoengine.Engine, photo: np.ndarray) -> None:
    want = engine.generate(photo, SMILE, face=FACE)
    assert want.shape == photo.shape and not np.array_equal(want, photo)
    padded = np.zeros((512, 600, 3), np.uint8)
    padded[:, :512] = photo
    rgba = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    backwards = np.ascontiguousarray(photo[::-1])[::-1]
    for form in (padded[:, :512], Image.fromarray(photo), PHOTO, str(PHOTO), PHOTO.read_bytes(), backwards):
        assert np.array_equal(engine.generate(form, SMILE, face=FACE), want)
    assert np.array_equal(engine.generate(photo[:, :, ::-1], SMILE, face=FACE, order="bgr")[:, :, ::-1], want)
    with_alpha = engine.generate(rgba, SMILE, face=FACE)
    assert np.array_equal(with_alpha[:, :, :3], want) and (with_alpha[:, :, 3] == 255).all()


def test_grey_becomes_colour(engine: emoengine.Engine, photo: np.ndarray) -> None:
    grey = photo[:, :, 1]
    want = engine.generate(np.dstack([grey] * 3), SMILE, face=FACE)
    assert np.array_equal(engine.generate(grey, SMILE, face=FACE), want)
    assert np.array_equal(engine.generate(grey[:, :, None], SMILE, face=FACE), want)


def test_out_may_be_the_picture_itself(engine: emoengine.Engine, photo: np.ndarray) -> None:
    want = engine.generate(photo, SMILE, face=FACE)
    own = photo.copy()
    assert engine.generate(own, SMILE, face=FACE, out=own) is own
    assert np.array_equal(own, want)


def test_tensors_come_and_go_without_copies(engine: emoengine.Engine, photo: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(photo.copy())
    want = engine.generate(photo, SMILE, face=FACE)
    assert np.array_equal(engine.generate(tensor, SMILE, face=FACE), want)
    assert engine.generate(tensor, SMILE, face=FACE, out=tensor) is tensor
    assert np.array_equal(tensor.numpy(), want)
    text = refused(emoengine.ArgumentError, engine.generate, tensor.permute(2, 0, 1), SMILE)
    assert "(3, 512, 512) came" in text and ".permute(1, 2, 0)" in text


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: p.astype(np.float32), "`image`: values of float32 came; uint8, 0 to 255, is needed"),
        (lambda p: p[:, :, :2], "`image`: an array of (512, 512, 2) came"),
        (lambda p: p.transpose(2, 0, 1), "move the channels last"),
        (lambda p: p[None], "`image`: an array of (1, 512, 512, 3) came"),
    ],
)
def test_a_picture_of_another_form_is_refused(engine, photo, spoil, says) -> None:  # type: ignore[no-untyped-def]
    assert says in refused(emoengine.ArgumentError, engine.generate, spoil(photo), SMILE)


def test_out_is_never_a_hidden_copy(engine: emoengine.Engine, photo: np.ndarray) -> None:
    for out, says in [
        (photo, "`out`: is read-only"),
        (np.zeros((512, 512, 3), np.float32), "float32 came"),
        (np.zeros((512, 500, 3), np.uint8), "(512, 500, 3)"),
        (np.zeros((512, 512, 6), np.uint8)[:, :, ::2], "gaps"),
        (np.zeros((512, 512, 3), np.uint8)[::-1], "backwards"),
    ]:
        assert says in refused(emoengine.ArgumentError, engine.generate, photo, SMILE, face=FACE, out=out)


# ---- Faces


def test_faces_are_found_turned_and_read(engine: emoengine.Engine, photo: np.ndarray) -> None:
    (reading,) = engine.read_faces(photo)
    assert reading.confidence > 0.9 and reading.landmarks.shape == (478, 2) and abs(reading.face.roll) < 0.2
    assert set(reading.aus) == set(engine.au_names) and reading.aus["AU12"] > 0.3  # she smiles
    (sideways,) = engine.find_faces(np.ascontiguousarray(np.rot90(photo)))  # anticlockwise
    assert abs(sideways.roll + np.pi / 2) < 0.15 and abs(sideways.side - reading.face.side) < 8
    assert np.allclose((sideways.y + sideways.side / 2), 511 - (reading.face.x + reading.face.side / 2), atol=6)
    with pytest.raises(emoengine.InputError, match="no face was found in 99x99 px"):
        engine.read_faces(np.full((99, 99, 3), 128, np.uint8))
    with emoengine.Engine(models="speech") as deaf:
        assert "add EMO_READER to models" in refused(emoengine.ArgumentError, deaf.read_faces, photo, face=FACE)


def test_faces_are_chosen(engine: emoengine.Engine, photo: np.ndarray) -> None:
    found = engine.find_faces(photo)
    want = engine.generate(photo, SMILE, face=found[0])
    for choice in ("largest", "all", 1, found):
        assert np.array_equal(engine.generate(photo, SMILE, face=choice), want)
    text = refused(emoengine.InputError, engine.generate, PHOTO, SMILE, face=2)
    assert text.startswith(f"{PHOTO}: face 2 was asked for, but 1 was found")
    assert "'middle' came" in refused(emoengine.ArgumentError, engine.generate, photo, SMILE, face="middle")


def test_a_crop_is_redrawn_as_a_whole(engine: emoengine.Engine, photo: np.ndarray) -> None:
    side = engine.face_side
    crop = np.ascontiguousarray(photo[80 : 80 + side, 170 : 170 + side])
    assert engine.generate(crop, SMILE, face="crop").shape == (side, side, 3)
    assert "`is_crop`" in refused(emoengine.ArgumentError, engine.generate, photo, SMILE, face="crop")


def test_a_picture_without_a_face_is_named(engine: emoengine.Engine, tmp_path: Path) -> None:
    file = tmp_path / "wall.png"
    emoengine.write_picture(file, np.full((200, 300, 3), 128, np.uint8))
    assert f"{file}: no face was found in 300x200 px" in refused(emoengine.InputError, engine.run, file, VOICE)


# ---- Action units and sounds


def test_forms_of_aus_are_the_same(engine: emoengine.Engine) -> None:
    want = engine.express({"AU12": 1, "AU06": 0.8})
    assert want["AU12"] == 1 and sum(want.values()) == pytest.approx(1.8)
    assert want == engine.express("12=1,6=0.8") == engine.express({12: 1, 6: 0.8}) == engine.express(list(want.values()))
    assert engine.emotion(want).name == "happiness"


@pytest.mark.parametrize(
    ("aus", "says"),
    [
        ({"AU99": 1}, "`aus`: 'AU99' came; the model knows AU01,"),
        ({"AU12": 1.5}, "1.5 came; 0 to 1 is needed"),
        ({"AU12": float("nan")}, "nan came; 0 to 1 is needed"),
        ([0.0, 1.0], "`aus`: 2 values came; the model's 17 action units are needed"),
    ],
)
def test_wrong_aus_are_refused(engine, photo, aus, says) -> None:  # type: ignore[no-untyped-def]
    assert says in refused(emoengine.ArgumentError, engine.generate, photo, aus, face=FACE)


def test_a_waveform_is_heard_as_its_file(engine: emoengine.Engine, pcm: np.ndarray) -> None:
    want = engine.aus(VOICE)
    assert engine.aus(pcm, engine.sample_rate) == want == engine.aus(engine.hear(VOICE))
    assert engine.aus(VOICE.read_bytes()) == want
    two = np.stack([pcm, pcm], axis=1)
    assert engine.aus(two, engine.sample_rate) == pytest.approx(want, abs=1e-6)
    # Resampled twice: what lies above 8 kHz differs, which the loudness of speech hardly does.
    up = emoengine.read_sound(VOICE, 48000)
    assert engine.emotion(engine.aus(up, 48000)).name == engine.emotion(want).name


@pytest.mark.parametrize(
    ("spoil", "rate", "says"),
    [
        (lambda p: p, None, "`rate`: None came with an array; its samples a second are needed, 16000 as it is"),
        (lambda p: np.stack([p, p]), 16000, "samples come first, channels second"),
        (lambda p: p.astype(np.complex64), 16000, "`waveform`: values of complex64 came"),
        (lambda p: p * np.float32("nan"), 44100, "`waveform`: holds NaN or infinity"),
        (lambda p: p * np.float32("nan"), 16000, "sample 0 of 59902 is nan"),
        (lambda p: p[:0], 16000, "no samples"),
        (lambda p: p, 44100.5, "`rate`: 44100.5 came"),
    ],
)
def test_a_waveform_of_another_form_is_refused(engine, pcm, spoil, rate, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(emoengine.Error, match=says.replace("[", r"\[")):
        engine.aus(spoil(pcm), rate)


def test_a_table_is_one_for_data_frames(engine: emoengine.Engine) -> None:
    table = engine.aus_per_frame(VOICE, fps=10, intensity=0.5, lips=0)
    assert table.values.shape == (len(table), 17) and np.asarray(table) is table.values
    assert list(table.columns())[:2] == ["time_s", "AU01"] and table.times[1] == 0.1
    assert table.columns()["AU12"] is not None and next(iter(table))["AU12"] == table["AU12"][0]
    full = engine.aus_per_frame(VOICE, fps=10, lips=0)
    assert table.values == pytest.approx(full.values / 2, abs=1e-6)
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(table.columns()).shape == (len(table), 18)
    assert table.to_pandas()["AU12"].iloc[3] == table["AU12"][3]


def test_the_network_draws_another_picture_than_the_photos_own_pixels(engine: emoengine.Engine, photo: np.ndarray) -> None:
    drawn = {detail: engine.generate(photo, SMILE, detail=detail) for detail in ("auto", "sharp", "network")}
    assert np.array_equal(drawn["auto"], drawn["sharp"]) and not np.array_equal(drawn["auto"], drawn["network"])
    said = refused(emoengine.ArgumentError, engine.generate, photo, SMILE, detail="blurred")
    assert said == "`detail`: 'blurred' came; one of auto, sharp, network is needed"


def test_relative_adds_to_what_the_picture_shows(engine: emoengine.Engine, photo: np.ndarray) -> None:
    assert np.array_equal(engine.generate(photo, {}, relative=True), photo)
    assert not np.array_equal(engine.generate(photo, {}), photo)
    frame = next(iter(engine.animate(photo, aus=np.zeros((3, 17)), blink=False, lips=0, relative=True)))
    assert np.array_equal(frame, photo)


def test_lips_move_on_top_of_the_emotion(engine: emoengine.Engine) -> None:
    still, spoken = (engine.aus_per_frame(VOICE, lips=lips) for lips in (0, 1))
    assert still["AU25"].max() == 0 and 0.3 < spoken["AU25"].max() <= 0.6
    assert np.array_equal(still["AU12"], spoken["AU12"]) and (spoken["AU26"] >= still["AU26"]).all()
    with pytest.raises(emoengine.ArgumentError, match="`amount`: 3 came; 0 to 2 are possible"):
        engine.aus_per_frame(VOICE, lips=3)


# ---- Animations


def test_an_animation_has_a_frame_a_moment(engine: emoengine.Engine, photo: np.ndarray, pcm: np.ndarray) -> None:
    frames = list(engine.animate(photo, pcm[:16000], 16000, fps=5, face=FACE))
    assert len(frames) == 5 and frames[0].shape == photo.shape
    table = engine.aus_per_frame(pcm[:16000], 16000, fps=5)
    assert all(map(np.array_equal, frames, engine.animate(photo, aus=table, fps=5, face=FACE)))
    bgr = next(engine.animate(photo[:, :, ::-1], aus=table, fps=5, face=FACE, order="bgr"))
    assert np.array_equal(bgr[:, :, ::-1], frames[0])


def test_an_animation_ends_when_it_is_dropped(engine: emoengine.Engine, photo: np.ndarray, pcm: np.ndarray) -> None:
    before = threading_count()
    frames = engine.animate(photo, pcm, 16000, face=FACE)
    next(frames)
    frames.close()
    assert list(frames) == []
    frames = engine.animate(photo, pcm, 16000, face=FACE)
    del frames
    assert threading_count() <= before + 2  # of the scheduler, which may have begun


def threading_count() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_wrong_animation_is_refused(engine: emoengine.Engine, photo: np.ndarray, pcm: np.ndarray) -> None:
    assert "one of `waveform` and `aus`" in refused(emoengine.ArgumentError, engine.animate, photo)
    assert "rows of 3 values" in refused(emoengine.ArgumentError, engine.animate, photo, aus=np.zeros((4, 3)), face=FACE)
    frames = engine.animate(photo, pcm, 16000, fps=1e6, face=FACE)
    assert "`fps`: 1e+06 came" in refused(emoengine.ArgumentError, next, frames)


# ---- Many at a time


def test_threads_share_an_engine_without_the_gil(engine: emoengine.Engine, photo: np.ndarray) -> None:
    want = engine.generate(photo, SMILE, face=FACE)
    ticks, done = 0, threading.Event()
    results: list[np.ndarray] = []

    def work() -> None:
        for _ in range(5):
            results.append(engine.generate(photo, SMILE, face=FACE))
        done.set()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert ticks > 5  # Python went on
    assert len(results) == 15 and all(np.array_equal(want, result) for result in results)


def test_one_that_fails_spoils_no_other(engine: emoengine.Engine, photo: np.ndarray, tmp_path: Path) -> None:
    good, missing, wrong = engine.generate_many(
        [photo, tmp_path / "missing.png", photo], [SMILE, SMILE, {"AU12": 2}], face=FACE
    )
    assert np.array_equal(good, engine.generate(photo, SMILE, face=FACE))
    assert isinstance(missing, emoengine.InputError) and "missing.png: cannot be opened" in str(missing)
    assert isinstance(wrong, emoengine.ArgumentError) and "2 came; 0 to 1 is needed" in str(wrong)


def test_await_gives_the_same_and_keeps_the_loop_free(engine: emoengine.Engine, photo: np.ndarray) -> None:
    async def work() -> None:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.001)

        beating = asyncio.create_task(beat())
        drawn = await asyncio.gather(*(engine.agenerate(photo, SMILE, face=FACE) for _ in range(4)))
        result = await engine.arun(photo, VOICE, face=FACE)
        frames = [frame async for frame in engine.aanimate(photo, aus=np.zeros((3, 17)), face=FACE)]
        beating.cancel()
        assert beats > 5 and len(frames) == 3 and result.emotion.name == "happiness"
        assert all(np.array_equal(drawn[0], other) for other in drawn)

    asyncio.run(work())


def test_a_cancelled_task_calls_off_what_waits(photo: np.ndarray) -> None:
    results = [photo.copy() for _ in range(16)]

    def is_drawn(result: np.ndarray) -> bool:
        return not np.array_equal(result, photo)

    with emoengine.Engine(lite=True, models="generator", max_contexts=1, max_batch=1) as engine:

        async def work() -> None:
            tasks = [
                asyncio.create_task(engine.agenerate(photo, SMILE, face=FACE, passes=4, detail="network", out=result))
                for result in results
            ]
            while not any(is_drawn(result) for result in results):
                await asyncio.sleep(0.001)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert any(isinstance(end, asyncio.CancelledError) for end in ended)

        asyncio.run(work())
        engine.generate(photo, SMILE, face=FACE)  # after those that had begun
        assert 0 < sum(map(is_drawn, results)) < 16


def test_a_deadline_that_passed_is_told(photo: np.ndarray) -> None:
    with emoengine.Engine(lite=True, models="generator", max_contexts=1, max_batch=1) as engine:
        results = engine.generate_many([photo] * 4, [SMILE] * 4, face=FACE, passes=4, detail="network", timeout=1e-6)
        late = [result for result in results if isinstance(result, emoengine.DeadlineError)]
        assert late and isinstance(late[0], TimeoutError)
        assert "`timeout`" in refused(emoengine.ArgumentError, engine.generate, photo, SMILE, timeout=0)


# ---- Engines


def test_a_closed_engine_says_so(photo: np.ndarray) -> None:
    engine = emoengine.Engine(lite=True, models="generator")
    engine.close()
    engine.close()
    assert refused(emoengine.ArgumentError, engine.generate, photo, SMILE) == "engine: is closed; open another"


def test_a_half_of_the_models_refuses_the_other(photo: np.ndarray, pcm: np.ndarray) -> None:
    with emoengine.Engine(models="speech") as engine:
        assert "generator" in refused(emoengine.ArgumentError, engine.generate, photo, SMILE, face=FACE)
    with emoengine.Engine(lite=True, models="generator") as engine:
        assert "speech model" in refused(emoengine.ArgumentError, engine.aus, pcm, 16000)


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    assert "'gpu' came; one of auto, cpu, cuda" in refused(emoengine.ArgumentError, emoengine.Engine, backend="gpu")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    assert "bad.safetensors" in refused(emoengine.ModelError, emoengine.Engine, bad)
    assert "generator" in refused(emoengine.ModelError, emoengine.Engine, b"nothing")
    assert "fp16" in refused(emoengine.DeviceError, emoengine.Engine, backend="cpu", precision="fp16")


def test_notes_go_to_logging(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO, "emoengine"):
        emoengine.Engine(lite=True, models="generator", backend="auto").close()
    assert all(record.name == "emoengine" for record in caplog.records)
    assert capfd.readouterr() == ("", "")


# ---- Processes


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


BEGIN = f"""
import os, sys, threading, warnings, emoengine, numpy as np
from emoengine._lib import core
core.set_leak_warnings(True)
PHOTO, VOICE, FACE, SMILE = {str(PHOTO)!r}, {str(VOICE)!r}, {tuple(FACE)!r}, {SMILE!r}
"""


def test_import_starts_no_thread() -> None:
    # OpenBLAS of NumPy starts its own.
    done = run(
        "import numpy, PIL.Image, os; n = len(os.listdir('/proc/self/task')); import emoengine;"
        "print(len(os.listdir('/proc/self/task')) - n)"
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_forked_child_is_told_to_open_its_own() -> None:
    done = run(
        BEGIN
        + """
engine = emoengine.Engine(lite=True)
want = engine.generate(PHOTO, SMILE)
frames, other = engine.animate(PHOTO, VOICE), engine.animate(PHOTO, VOICE)
next(frames)
threading.Event().wait(1)  # the frames ahead are drawn, so that its thread waits
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
child = os.fork()
if child == 0:
    for call in (lambda: engine.generate(PHOTO, SMILE), lambda: next(frames)):
        try:
            call()
        except emoengine.ArgumentError as error:
            print(str(error).split("; ")[1])
    frames.close()
    del frames, engine
    own = emoengine.Engine(lite=True, threads=1)
    print(np.array_equal(own.generate(PHOTO, SMILE), want), flush=True)
    sys.exit(0)
print(os.waitpid(child, 0)[1])
"""
    )
    said = "create the Engine after fork\n"
    assert (done.stdout, done.stderr) == (said + said + "True\n0\n", "")


def test_python_ends_while_threads_work() -> None:
    done = run(
        BEGIN
        + """
engine = emoengine.Engine(lite=True)
def work():
    while True: engine.generate(PHOTO, SMILE, face=FACE)
threading.Thread(target=work, daemon=True).start()
frames = engine.animate(PHOTO, VOICE, face=FACE)
next(frames)
print("end")
"""
    )
    assert done.returncode == 0 and done.stdout == "end\n", done.stderr
    assert "terminate" not in done.stderr


def test_nothing_leaks() -> None:
    done = run(
        BEGIN
        + """
engine = emoengine.Engine(lite=True)
voice = engine.hear(VOICE)
frames = engine.animate(PHOTO, VOICE, face=FACE)
first = next(frames)
result = engine.run(PHOTO, voice)
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ctrl_c_ends_a_call() -> None:
    code = BEGIN + """
engine = emoengine.Engine(lite=True, max_contexts=1, max_batch=1)
photo = emoengine.read_picture(PHOTO)
print("go", flush=True)
try:
    engine.generate_many([photo] * 500, [SMILE] * 500, face=FACE, passes=4, detail="network")
except KeyboardInterrupt:
    print("stopped")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "go\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "stopped\n" and process.returncode == 0
