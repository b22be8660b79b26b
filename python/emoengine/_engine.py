"""The Engine: models and a device."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import logging
import math
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _codec
from ._arrays import AusLike, Face, ImageLike, Order, Pixels, SoundLike
from ._lib import core
from ._tables import AuTable
from .errors import ArgumentError, Error, InputError, of

#: How a face is drawn; see Engine.run().
Detail: TypeAlias = Literal["auto", "sharp", "network"]
_DETAILS: tuple[Detail, ...] = ("auto", "sharp", "network")  # as EMO_DETAIL_AUTO ...
#: Which faces of a picture: the largest, all, the n-th largest from 1, boxes that are known already, or "crop" where the
#: picture is the network's crop itself.
FaceChoice: TypeAlias = "Literal['largest', 'all', 'crop'] | int | Face | Sequence[Face]"

_log = logging.getLogger("emoengine")
_cancel: contextvars.ContextVar[core.Cancel | None] = contextvars.ContextVar("cancel", default=None)
_opened: weakref.WeakSet[Engine] = weakref.WeakSet()

P = ParamSpec("P")
R = TypeVar("R")


class Emotion(NamedTuple):
    """The emotion that action units show; `strength` 1 is its whole pattern."""

    name: str
    strength: float


@dataclass(frozen=True, eq=False)
class Result:
    """What Engine.run() gives.

    image    (H,W,3), or (H,W,4) where the picture has alpha, uint8, in the order asked for
    aus      {"AU01": 0..1, ...}: what the faces show
    emotion  the same as one word
    faces    the squares that were redrawn, as the detector gives them
    """

    image: Pixels
    aus: dict[str, float]
    emotion: Emotion
    faces: list[Face]


@dataclass(frozen=True, eq=False)
class Reading:
    """What Engine.read_faces() sees.

    face        the square, turned with the face
    confidence  that this is a face, 0..1
    landmarks   (478,2): x, y in the picture's pixels, in the order of FaceMesh
    aus         {"AU01": 0..1, ...}: the movements that the face shows, which are no feelings
    """

    face: Face
    confidence: float
    landmarks: NDArray[np.float32]
    aus: dict[str, float]


class Voice:
    """A clip that was heard; see Engine.hear()."""

    def __init__(self, voice: core.Voice, names: tuple[str, ...]) -> None:
        self._voice = voice
        self._names = names

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self._voice.seconds

    def whole(self) -> NDArray[np.float32]:
        """(N,) action units of the whole clip, 0..1."""
        return self._voice.whole().reshape(-1)

    def at(self, times: Sequence[float] | NDArray[Any]) -> AuTable:
        """The action units at times in seconds, one row each."""
        at = np.ascontiguousarray(times, dtype=np.float64).reshape(-1)
        return AuTable(self._names, at, self._voice.at(at))

    def per_frame(self, fps: float = 25) -> AuTable:
        """The action units at 0, 1/fps, 2/fps ... seconds, to the clip's end; more than 0 and at most 1000 a second."""
        if not 0 < fps <= 1000:
            raise ArgumentError(f"`fps`: {fps} came; more than 0 and at most 1000 is needed")
        return self.at(np.arange(max(1, math.ceil(self.seconds * fps - 1e-9))) / fps)


    def add_lips(self, table: AuTable, amount: float = 1) -> AuTable:
        """The table with AU25, AU26 and AU20 raised to what the lips do at its times; a clip without speech moves none."""
        return AuTable(self._names, table.times, self._voice.add_lips(table.times, amount, table.values))


class Animation(Iterator[Pixels]):
    """The frames of Engine.animate(), each (H,W,3) uint8. They are drawn a few ahead, on a thread of their own."""

    def __init__(self, frames: core.Animation, engine: Engine) -> None:
        self._frames = frames
        self._engine = engine  # whose notes are told

    def __next__(self) -> Pixels:
        frame = self._frames.take()
        self._engine._tell_notes()
        if frame is None:
            raise StopIteration
        return frame

    def close(self) -> None:
        """Ends it where it is."""
        self._frames.close()

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _async(call: Callable[Concatenate[Engine, P], R]) -> Callable[Concatenate[Engine, P], Awaitable[R]]:
    """The same without blocking the event loop. A task that is cancelled calls off what has not begun."""

    @functools.wraps(call)
    async def wrapper(self: Engine, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._in_thread(functools.partial(call, self, *args, **kwargs))

    wrapper.__doc__ = f"{call.__name__}() for `await`."
    return wrapper


class Engine:
    """Speech to action units, and action units to faces.

    One engine serves any number of threads and gathers their faces into batches. The GIL is released while it works. It
    is closed by close(), by `with`, or when Python ends. Processes that fork open theirs afterwards.
    """

    def __init__(
        self,
        generator: str | os.PathLike[str] | bytes | None = None,
        speech: str | os.PathLike[str] | bytes | None = None,
        reader: str | os.PathLike[str] | bytes | None = None,
        *,
        lite: bool = False,
        research: bool = False,
        models: Literal["all", "generator", "speech"] = "all",
        backend: Literal["auto", "cpu", "cuda"] = "auto",
        precision: Literal["best", "fp32", "tf32", "bf16", "fp16"] = "best",
        threads: int = 0,
        device: int = 0,
        max_batch: int = 0,
        max_wait_s: float = 0,
        max_queue: int = 0,
        max_contexts: int = 0,
    ) -> None:
        """Opens the models; 0.1 s.

        generator, speech, reader  weight files, by path or bytes; None: those of the package
        lite        the package's smaller generator, a third of the time
        research    the package's speech model for research: it learned from RAVDESS and nEMO too; not for commercial use
        models      what is opened; "generator": with the face reader
        backend     "auto": a GPU where there is one that can be used
        precision   of the generator; "best": the fastest whose pictures are right
        threads     of the CPU backend; 0: every processor that this process may use
        device      of the CUDA backend, as CUDA counts them
        max_batch, max_wait_s, max_queue, max_contexts  how faces of many threads share the device; 0: the default.
                    A batch waits max_wait_s for more; beyond max_queue waiting faces BusyError is the answer.

        Raises ModelError for a weight file that cannot be used, DeviceError for a backend that is not there.
        """
        weights = Path(__file__).parent / "share/emoengine/weights"
        if lite:
            if generator is not None:
                raise ArgumentError("`lite`: True came with a `generator`; give one of them")
            generator = weights / "generator-lite.safetensors"
        if research:
            if speech is not None:
                raise ArgumentError("`research`: True came with a `speech`; give one of them")
            speech = weights / "speech-research.safetensors"

        def source(file: str | os.PathLike[str] | bytes | None) -> str | bytes | None:
            return None if file is None else _arrays.file_source(file)

        def number(value: str, name: str, names: Sequence[str]) -> int:
            if value not in names:
                raise ArgumentError(f"`{name}`: {value!r} came; one of {', '.join(names)} is needed")
            return names.index(value)

        self._core = core.Engine(
            source(generator),
            source(speech),
            source(reader),
            models=(0, 1 | 4, 2)[number(models, "models", ("all", "generator", "speech"))],
            backend=number(backend, "backend", ("auto", "cpu", "cuda")),
            precision=number(precision, "precision", ("best", "fp32", "tf32", "bf16", "fp16")),
            threads=threads,
            device=device,
            max_batch=max_batch,
            max_wait_us=round(max_wait_s * 1e6),
            max_queue=max_queue,
            max_contexts=max_contexts,
        )
        self._animations: weakref.WeakSet[core.Animation] = weakref.WeakSet()
        self._pool: ThreadPoolExecutor | None = None
        _opened.add(self)
        self._tell_notes()

    # ---- What it is

    @property
    def backend(self) -> str:
        """ "cpu: AVX-512, fp32, 2 threads, oneDNN 2.6.3" """
        return self._core.backend

    @functools.cached_property
    def au_names(self) -> tuple[str, ...]:
        """The action units of all models in their order: "AU01" ..."""
        return tuple(self._core.au_names)

    @property
    def sample_rate(self) -> int:
        """Of sound that needs no resampling, Hz; 0 without a speech model."""
        return self._core.sample_rate

    @property
    def face_side(self) -> int:
        """Of the network's face, px; 0 without a generator."""
        return self._core.face_side

    def close(self) -> None:
        """Ends its animations and frees its memory when the last call has returned. It cannot be used afterwards."""
        for frames in list(self._animations):
            frames.close()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._core.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ---- The work

    def run(
        self,
        image: ImageLike,
        voice: SoundLike | Voice,
        rate: int | None = None,
        *,
        face: FaceChoice = "largest",
        intensity: float = 1,
        emotion: str | None = None,
        au: str | None = None,
        relative: bool = False,
        passes: int = 1,
        detail: Detail = "auto",
        order: Order = "rgb",
        out: Any = None,
        timeout: float | None = None,
    ) -> Result:
        """Puts the emotion of a voice on the faces of a picture; what `emoengine run` does.

        image      a path, a file's bytes, (H,W), (H,W,3) or (H,W,4) uint8, PIL, or a tensor through DLPack
        voice      a path, a file's bytes, (samples,) or (samples, channels), or what hear() gave
        rate       samples a second of an array
        face       which faces
        intensity  factor of the voice's action units
        emotion    added to them: "happiness=0.7,surprise=0.3"
        au         edits that come last: "12=1" sets, "4=+0.3" adds
        relative   action units are added to what the face reader sees in the picture, which stays as it is where that changes
                   nothing; otherwise a face shows them alone
        passes     times that the network draws a face, each from the picture before
        detail     how a face is drawn: "sharp" moves the picture's own pixels, at its resolution; "network" draws 128x128 px;
                   "auto" is sharp where the face reader is sure of the landmarks
        order      of an array's channels, and of the result's
        out        an array of the picture's size that receives the result, for example the picture itself
        timeout    seconds, after which work that has not begun fails with DeadlineError

        Raises InputError for a file that cannot be read and a picture without a face, ArgumentError for a wrong value.
        """
        heard = voice if isinstance(voice, Voice) else self.hear(voice, rate)
        aus = self._core.express(heard.whole(), intensity, emotion, au).reshape(-1)
        pixels = _arrays.as_pixels(image, order)
        faces = self._faces(pixels, face, order, _arrays.name_of(image, "image"))
        redrawn = self._redraw([(pixels, faces, aus, out)], face, order, relative, passes, detail, timeout)[0]
        if isinstance(redrawn, Error):
            raise redrawn
        return Result(redrawn, self._named(aus), self.emotion(aus), faces)

    def generate(
        self,
        image: ImageLike,
        aus: AusLike,
        *,
        face: FaceChoice = "largest",
        relative: bool = False,
        passes: int = 1,
        detail: Detail = "auto",
        order: Order = "rgb",
        out: Any = None,
        timeout: float | None = None,
    ) -> Pixels:
        """The picture with faces that show action units; arguments as run()'s. (H,W,3) or (H,W,4) uint8.

        aus  intensities 0..1: {"AU12": 1, "AU06": 0.8}, {12: 1}, "12=1,6=0.8", or one value an action unit in the order
             of au_names. Those that are not named are 0, so a smile that is not asked for goes, unless `relative`.
        """
        result = self.generate_many(
            [image],
            [aus],
            face=face,
            relative=relative,
            passes=passes,
            detail=detail,
            order=order,
            out=[out],
            timeout=timeout,
        )[0]
        if isinstance(result, Error):
            raise result
        return result

    def generate_many(
        self,
        images: Sequence[ImageLike],
        aus: Sequence[AusLike],
        *,
        face: FaceChoice = "largest",
        relative: bool = False,
        passes: int = 1,
        detail: Detail = "auto",
        order: Order = "rgb",
        out: Sequence[Any] | None = None,
        timeout: float | None = None,
    ) -> list[Pixels | Error]:
        """generate() for pictures that fill batches together. One that fails spoils no other: its Error is in its place."""
        if len(images) != len(aus):
            raise ArgumentError(f"`aus`: {len(aus)} came for {len(images)} pictures; one a picture is needed")
        if out is not None and len(out) != len(images):
            raise ArgumentError(f"`out`: {len(out)} came for {len(images)} pictures; one a picture is needed")
        results: list[Pixels | Error | None] = [None] * len(images)
        tasks: list[tuple[Pixels, list[Face], NDArray[np.float32], Any]] = []
        places: list[int] = []
        for i, (image, expression) in enumerate(zip(images, aus, strict=True)):
            try:
                values = _arrays.as_aus(expression, self._core)
                pixels = _arrays.as_pixels(image, order)
                faces = self._faces(pixels, face, order, _arrays.name_of(image, "image"))
                tasks.append((pixels, faces, values, None if out is None else out[i]))
                places.append(i)
            except Error as error:
                results[i] = error
        for i, result in zip(places, self._redraw(tasks, face, order, relative, passes, detail, timeout), strict=True):
            results[i] = result
        return cast("list[Pixels | Error]", results)

    def hear(self, waveform: SoundLike, rate: int | None = None) -> Voice:
        """Runs the speech model over a clip, to be read as often as needed.

        waveform  a path, a file's bytes, or (samples,) or (samples, channels): floats in [-1, 1] or signed integers
        rate      samples a second of an array; it is resampled where it is not sample_rate
        """
        if self.sample_rate == 0:
            raise ArgumentError("engine: was opened without a speech model; open it with models='all'")
        pcm = _arrays.as_pcm(waveform, rate, self.sample_rate)
        voice = Voice(self._core.hear(pcm), self.au_names)
        self._tell_notes()
        return voice

    def aus(
        self,
        waveform: SoundLike | Voice,
        rate: int | None = None,
        *,
        intensity: float = 1,
        emotion: str | None = None,
        au: str | None = None,
    ) -> dict[str, float]:
        """The action units of a whole clip, {"AU01": 0..1, ...}; arguments as run()'s and hear()'s."""
        heard = waveform if isinstance(waveform, Voice) else self.hear(waveform, rate)
        return self._named(self._core.express(heard.whole(), intensity, emotion, au).reshape(-1))

    def aus_per_frame(
        self,
        waveform: SoundLike | Voice,
        rate: int | None = None,
        fps: float = 25,
        *,
        intensity: float = 1,
        emotion: str | None = None,
        au: str | None = None,
        lips: float = 1,
    ) -> AuTable:
        """The action units at 0, 1/fps, 2/fps ... seconds; arguments as run()'s and hear()'s.

        lips    how far the lips move with the syllables, on top of the emotion: 0 not at all, 1 as people's do, at most 2
        """
        heard = waveform if isinstance(waveform, Voice) else self.hear(waveform, rate)
        table = heard.per_frame(fps)
        for row in table.values if (intensity, emotion, au) != (1, None, None) else ():
            row[:] = self._core.express(row.copy(), intensity, emotion, au).reshape(-1)
        return heard.add_lips(table, lips)

    def animate(
        self,
        image: ImageLike,
        waveform: SoundLike | None = None,
        rate: int | None = None,
        *,
        aus: AuTable | NDArray[Any] | None = None,
        fps: float = 25,
        face: FaceChoice = "largest",
        relative: bool = False,
        passes: int = 1,
        detail: Detail = "auto",
        smooth: float = 0.06,
        ease: float = 0.3,
        lips: float = 1,
        blink: bool = True,
        seed: int = 1,
        order: Order = "rgb",
    ) -> Animation:
        """The frames of a picture that moves with a voice, or with a table of action units; (H,W,3) uint8 each.

        waveform, rate  as hear()'s
        aus     instead of a sound: (T,N), `fps` rows a second, as aus_per_frame() gives
        fps     frames a second
        face    one face
        relative, passes, detail  as run()'s
        smooth  time constant of the smoothing, s; 0: none
        ease    from the neutral face at the start and back at the end, s; 0: none
        lips    how far they move with the voice: 0 not at all, 1 as people's do, at most 2. Of `aus`: whether it holds lips
                that speak, which are smoothed a third as long
        blink   whether it blinks of its own, at times that `seed` chooses

        Arguments are checked and the voice is heard before it returns. Closing it, or dropping it, ends the work.
        """
        if (waveform is None) == (aus is None):
            raise ArgumentError("`waveform`: one of `waveform` and `aus` is needed")
        pixels = _arrays.as_pixels(image, order)
        faces = self._faces(pixels, face, order, _arrays.name_of(image, "image"))
        if face == "crop" or len(faces) != 1:
            raise ArgumentError(f"`face`: {len(faces)} faces came; an animation moves one, found in a photo")
        frames = core.animate(
            self._core,
            pixels,
            faces[0],
            pcm=None if waveform is None else _arrays.as_pcm(waveform, rate, self.sample_rate),
            aus=None if aus is None else np.ascontiguousarray(aus, dtype=np.float32),
            bgr=_arrays.is_bgr(order),
            fps=fps,
            smooth_s=smooth or -1,
            ease_s=ease or -1,
            lips=lips or -1,
            blinks=blink,
            seed=seed,
            relative=relative,
            passes=passes,
            detail=_detail_code(detail),
        )
        self._animations.add(frames)
        return Animation(frames, self)

    def express(
        self, voice: AusLike | None = None, *, intensity: float = 1, emotion: str | None = None, au: str | None = None
    ) -> dict[str, float]:
        """clamp(intensity * voice + emotion), then the edits of `au`; arguments as run()'s."""
        given = None if voice is None else _arrays.as_aus(voice, self._core)
        return self._named(self._core.express(given, intensity, emotion, au).reshape(-1))

    def emotion(self, aus: AusLike) -> Emotion:
        """The emotion that action units show: "neutral", "happiness" ..."""
        return Emotion(*self._core.emotion(_arrays.as_aus(aus, self._core)))

    def find_faces(self, image: ImageLike, *, order: Order = "rgb") -> list[Face]:
        """The faces seen from the front, the largest first; `image` as run()'s."""
        boxes = self._core.find_faces(_arrays.as_pixels(image, order), bgr=_arrays.is_bgr(order), largest=False)
        return [Face(*box) for box in boxes]

    def read_faces(self, image: ImageLike, *, face: FaceChoice = "all", order: Order = "rgb") -> list[Reading]:
        """Landmarks and action units of faces; `image` and `face` as run()'s. Raises InputError where none is found."""
        pixels = _arrays.as_pixels(image, order)
        readings = []
        for box in self._faces(pixels, face, order, _arrays.name_of(image, "image")):
            confidence, place, landmarks, aus = self._core.read_face(pixels, box, bgr=_arrays.is_bgr(order))
            readings.append(Reading(Face(*place), confidence, landmarks, self._named(aus.reshape(-1))))
        return readings

    # ---- The same without blocking an event loop

    arun = _async(run)
    agenerate = _async(generate)
    agenerate_many = _async(generate_many)
    ahear = _async(hear)
    aaus = _async(aus)
    afind_faces = _async(find_faces)
    aread_faces = _async(read_faces)
    aaus_per_frame = _async(aus_per_frame)

    async def aanimate(self, *args: Any, **kwargs: Any) -> AsyncIterator[Pixels]:
        """animate() for `async for`."""
        frames = await self._in_thread(functools.partial(self.animate, *args, **kwargs))
        try:
            while (frame := await self._in_thread(functools.partial(next, frames, None))) is not None:
                yield frame
        finally:
            frames.close()

    # ---- Within

    async def _in_thread(self, call: Callable[[], R]) -> R:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(16, thread_name_prefix="emoengine")
        cancel = core.Cancel()
        context = contextvars.copy_context()
        context.run(_cancel.set, cancel)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, call)
        except asyncio.CancelledError:
            cancel.cancel()
            raise

    def _faces(self, pixels: Pixels, choice: FaceChoice, order: Order, name: str) -> list[Face]:
        if choice == "crop":
            return [Face(0, 0, pixels.shape[1])]
        if isinstance(choice, tuple) and len(choice) in (3, 4) and not isinstance(choice[0], tuple):
            return [Face(*map(float, cast("Sequence[float]", choice)))]
        if isinstance(choice, Iterable) and not isinstance(choice, str):
            return [Face(*map(float, face)) for face in cast("Sequence[Face]", choice)]
        number = 1 if choice == "largest" else choice
        if number != "all" and not (isinstance(number, int) and number >= 1):
            raise ArgumentError(f"`face`: {choice!r} came; 'largest', 'all', 'crop', a number from 1 or boxes are needed")
        boxes = self._core.find_faces(pixels, bgr=_arrays.is_bgr(order), largest=choice == "largest")
        found = [Face(*box) for box in boxes]
        if not found:
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise InputError(
                f"{name}: no face was found in {size} px; use a photo with a face seen from the front, or give "
                "its box as `face`"
            )
        if isinstance(number, str):
            return found
        if number > len(found):
            were = "was" if len(found) == 1 else "were"
            raise InputError(
                f"{name}: face {number} was asked for, but {len(found)} {were} found; use `face` 'largest', 'all' or a "
                "smaller number"
            )
        return [found[number - 1]]

    def _redraw(
        self,
        tasks: Sequence[tuple[Pixels, list[Face], NDArray[np.float32], Any]],
        choice: FaceChoice,
        order: Order,
        relative: bool,
        passes: int,
        detail: Detail,
        timeout: float | None,
    ) -> list[Pixels | Error]:
        if timeout is not None and not timeout > 0:
            raise ArgumentError(f"`timeout`: {timeout} came; seconds above 0, or None, are needed")
        jobs = []
        results: list[Pixels | Error] = []
        for pixels, faces, aus, out in tasks:
            target = _arrays.as_out(out, pixels)
            results.append(target)
            jobs += [(pixels, face, aus, target) for face in faces]
        states = iter(
            self._core.redraw(
                jobs,
                bgr=_arrays.is_bgr(order),
                crops=choice == "crop",
                relative=relative,
                passes=passes,
                detail=_detail_code(detail),
                timeout_us=0 if timeout is None else max(1, round(timeout * 1e6)),
                cancel=_cancel.get(),
            )
        )
        for i, (_, faces, _, _) in enumerate(tasks):
            for _ in faces:
                status, text = next(states)
                if status != 0 and not isinstance(results[i], Error):
                    results[i] = of(status)(text)
        self._tell_notes()
        return results

    def _named(self, aus: NDArray[np.float32]) -> dict[str, float]:
        return dict(zip(self.au_names, map(float, aus), strict=True))

    def _tell_notes(self) -> None:
        for level, line in self._core.take_notes():
            _log.log(logging.WARNING if level == 2 else logging.INFO, "%s", line)


@atexit.register
def _close_all() -> None:
    for engine in list(_opened):
        engine.close()
    core.end()


def _after_fork() -> None:
    _opened.clear()
    core.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _detail_code(detail: Detail) -> int:
    if detail not in _DETAILS:
        raise ArgumentError(f"`detail`: {detail!r} came; one of {', '.join(_DETAILS)} is needed")
    return _DETAILS.index(detail)


def read_picture(source: str | os.PathLike[str] | bytes, *, order: Order = "rgb") -> Pixels:
    """A JPEG, PNG, WebP, TIFF or BMP, told by its content: upright, in sRGB; (H,W,3), or (H,W,4) with alpha, uint8.

    At most 50 megapixels and 16384 px a side. Raises InputError naming the file.
    """
    return _arrays.as_pixels(source, order)


def write_picture(path: str | os.PathLike[str], image: ImageLike, *, order: Order = "rgb") -> None:
    """Writes by the path's ending: .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff. The file is there when it is whole."""
    _codec.bring()
    core.write_picture(_arrays.as_pixels(image, order), _arrays.is_bgr(order), os.fsdecode(path))


def read_sound(source: str | os.PathLike[str] | bytes, rate: int) -> NDArray[np.float32]:
    """WAV, FLAC, Ogg, MP3 and more, told by content, mixed to mono and resampled to `rate` Hz; (samples,) in [-1, 1].

    At most 10 minutes. M4A, WebM and videos need the extra `emoengine[video]`. Raises InputError naming the file.
    """
    return _arrays.as_pcm(source, None, rate)
