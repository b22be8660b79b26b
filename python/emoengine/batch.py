"""Batches over many machines, on Ray: pip install 'emoengine[ray]'.

    python -m emoengine.batch --input manifest.csv --output results [--address auto]
    python -m emoengine.batch --check [--address auto]     # looks at every machine, and draws nothing

The manifest, CSV or Parquet, has a row a pair: the columns `image` and `voice` hold paths or URLs, and the columns
`intensity`, `emotion`, `au`, `face`, `relative`, `passes` and `detail`, where there are any, mean what Engine.run()'s
arguments mean. A path that is not absolute starts at the manifest's folder.

A result is named by a hash of its row, the options and the weights, and is written once. A run that was killed goes on when the
same command is given again: what is there is not made again. Every run leaves reports/RUN.csv, with a row for each of the
manifest's: `state` is "made", "there" or "failed", and `error` says why.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import io
import json
import logging
import os
import posixpath
import secrets
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import _codec, _folder
from ._engine import Engine, FaceChoice
from .errors import ArgumentError, DeviceError, Error, InputError, OutOfMemoryError

try:
    import pyarrow as pa
    import pyarrow.parquet
    import ray
    import ray.data
    import ray.exceptions
    import ray.util.metrics

    from . import _machines
except ImportError as missing:
    raise DeviceError(f"batch: {missing.name} is not installed; pip install 'emoengine[ray]'") from None

NEEDED = ("image", "voice")
COLUMNS = (*NEEDED, "intensity", "emotion", "au", "face", "relative", "passes", "detail")
REPORT = ("index", "image", "voice", "result", "state", "error")
FORMATS = ("png", "jpg", "webp")

_FREE_CPUS = 2  # read the manifest and cut it into micro-batches; without them Ray waits for itself
_RETRIES = 3  # of a micro-batch whose worker or machine was lost
_RESTARTS = 20  # of a worker
_MANIFEST = pa.schema([("index", pa.int64()), *((name, pa.string()) for name in COLUMNS), ("error", pa.string())])
_RESULTS = pa.schema([(name, pa.int64() if name == "index" else pa.string()) for name in REPORT])


@dataclass(frozen=True)
class Job:
    """What all rows share.

    input, output  manifest and folder of results, paths or URLs
    generator, speech  weight files; None: the package's
    format     of the pictures: "png", "jpg" or "webp"
    precision  as Engine's. "best" differs between kinds of processors: name one for equal bytes on unequal machines
    batch      pairs that a worker takes at a time
    cpus       of a worker, which are its engine's threads
    gpus       of a worker: 0 or 1
    memory     bytes of a worker that Ray plans with
    workers    how many at most; 0: as many as fit
    """

    input: str
    output: str
    generator: str | None = None
    speech: str | None = None
    format: str = "png"
    precision: Any = "best"
    batch: int = 8
    cpus: int = 1
    gpus: int = 0
    memory: int = 1 << 30
    workers: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ArgumentError(f"`format`: {self.format!r} came; one of {', '.join(FORMATS)} is needed")
        for name, least in (("batch", 1), ("cpus", 1), ("gpus", 0), ("memory", 1), ("workers", 0)):
            if getattr(self, name) < least:
                raise ArgumentError(f"`{name}`: {getattr(self, name)} came; at least {least} is needed")


@dataclass
class Summary:
    """How a run went: rows by state, and the name of its report in the output folder."""

    report: str
    counts: Counter[str] = field(default_factory=Counter)


# ---- The manifest


def read_manifest(url: str, rows: int = 1000) -> Iterator[pa.Table]:
    """Its rows in order, `rows` at a time, every value as text. Raises InputError naming the file."""
    first = 0
    try:
        fs, path = _folder.file_system(url)
        with fs.open(path, "rb") as file:
            for part in (_parquet_rows if path.endswith(".parquet") else _csv_rows)(url, file, rows):
                for index, row in enumerate(part, first):
                    row["index"] = index
                first += len(part)
                yield pa.Table.from_pylist(part, _MANIFEST)
    except (Error, GeneratorExit):
        raise
    except Exception as error:  # fsspec's backends and Arrow raise of every kind
        raise InputError(f"{url}: cannot be read: {_first_line(error)}") from None


def _check_columns(url: str, came: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in came]
    if missing:
        raise InputError(f"{url}: has no column {' and '.join(missing)}, only {', '.join(came) or 'none'}")


def _csv_rows(url: str, file: Any, rows: int) -> Iterator[list[dict[str, Any]]]:
    reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    header = reader.fieldnames or []
    _check_columns(url, header)
    part: list[dict[str, Any]] = []
    for values in reader:
        row: dict[str, Any] = {name: values[name] for name in COLUMNS if name in header}
        if None in values or None in values.values():
            row["error"] = f"{url}: line {reader.line_num}: has more or fewer fields than the header's {len(header)}"
        part.append(row)
        if len(part) == rows:
            yield part
            part = []
    if part:
        yield part


def _parquet_rows(url: str, file: Any, rows: int) -> Iterator[list[dict[str, Any]]]:
    table = pyarrow.parquet.ParquetFile(file)
    came = table.schema_arrow.names
    _check_columns(url, came)
    for part in table.iter_batches(rows, columns=[name for name in COLUMNS if name in came]):
        yield [{k: None if v is None or v != v else str(v) for k, v in row.items()} for row in part.to_pylist()]


@dataclass(frozen=True)
class Pair:
    """A row, understood."""

    image: str
    voice: str
    intensity: float
    emotion: str | None
    au: str | None
    face: FaceChoice
    relative: bool
    passes: int
    detail: Any

    @classmethod
    def of(cls, row: dict[str, Any], base: str) -> Pair:
        def value(name: str, kind: Callable[[str], Any], otherwise: Any, needs: str) -> Any:
            text = (row[name] or "").strip()
            try:
                return kind(text) if text else otherwise
            except (KeyError, ValueError):
                raise InputError(f"`{name}`: {text!r} came; {needs} is needed") from None

        for name in NEEDED:
            if not (row[name] or "").strip():
                raise InputError(f"`{name}`: is empty; a path or URL is needed")
        return cls(
            image=_folder.resolve(row["image"].strip(), base),
            voice=_folder.resolve(row["voice"].strip(), base),
            intensity=value("intensity", float, 1.0, "a number"),
            emotion=value("emotion", str, None, "text"),
            au=value("au", str, None, "text"),
            face=value("face", _face, "largest", "largest, all, crop or a number from 1"),
            relative=value("relative", _flag, False, "true or false"),
            passes=value("passes", int, 1, "a whole number"),
            detail=value("detail", str, "auto", "text"),
        )


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


def _face(text: str) -> Any:
    return text if text in ("largest", "all", "crop") else int(text)


# ---- A worker


class Worker:
    """An actor with an Engine. Rows that are worked on together, each in a thread of its own, share its batches."""

    def __init__(self, job: Job, weights: list[Any], key: str, done: Any, token: str) -> None:
        """weights: the files' bytes; key: their hash; done: names that are there, sorted; token: a file of the driver."""
        self._job = job
        self._key = key
        self._base = posixpath.dirname(job.input)
        self._done: np.ndarray[Any, Any] = ray.get(done)
        self._folder = _folder.Folder(job.output)
        self._rows = ray.util.metrics.Counter("emoengine_batch_rows", "rows that were worked on", ("state",))
        self._stop = ""
        if not self._folder.has(token):
            node = ray.util.get_node_ip_address()
            self._stop = f"{job.output}: is another folder on {node} than here; give one that all machines share, or a bucket"
            return
        generator, speech = ray.get(weights)
        try:
            backend: Any = "cuda" if job.gpus else "cpu"
            self._engine = Engine(generator, speech, backend=backend, precision=job.precision, threads=job.cpus)
        except Error as error:
            self._stop = f"{ray.util.get_node_ip_address()}: {error}"

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The report's rows. One that lacks memory is tried again among half as many, and a quarter."""
        listed = rows.to_pylist()
        # A CPU gains nothing from batches: one row more than it has threads, which reads and writes meanwhile. Two workers
        # of a thread then do 0.91 of twice one process, with eight rows 0.84.
        at_once = len(listed) if self._job.gpus else min(len(listed), self._job.cpus + 1)
        results: dict[int, dict[str, Any]] = {}
        for share in (1, 2, 4):
            waiting = [row for row in listed if results.get(row["index"], {"again": True}).get("again")]
            if waiting:
                with ThreadPoolExecutor(max(1, at_once // share)) as pool:
                    results.update((row["index"], row) for row in pool.map(self._row, waiting))
        for row in results.values():
            row.pop("again", None)
            self._rows.inc(tags={"state": row["state"]})
        return pa.Table.from_pylist(list(results.values()), _RESULTS)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        report = {"index": row["index"], "image": row["image"], "voice": row["voice"]}
        if self._stop:
            return {**report, "state": "stop", "error": self._stop}
        try:
            if row["error"]:
                raise InputError(row["error"])
            pair = Pair.of(row, self._base)
            report["result"] = name = name_of(pair, self._job, self._key)
            if self._is_done(name):
                return {**report, "state": "there"}
            self._folder.put(name, self._picture(pair))
            return {**report, "state": "made"}
        except OutOfMemoryError as error:
            return {**report, "state": "failed", "error": str(error), "again": True}
        except Error as error:
            return {**report, "state": "failed", "error": str(error)}
        except Exception as error:  # of a storage, or a defect: the row's, not the run's
            return {**report, "state": "failed", "error": f"{type(error).__name__}: {_first_line(error)}"}

    def _is_done(self, name: str) -> bool:
        at = int(np.searchsorted(self._done, name.encode()))
        return at < len(self._done) and self._done[at] == name.encode()

    def _picture(self, pair: Pair) -> bytes:
        voice = _named(pair.voice, self._engine.hear)
        result = _named(
            pair.image,
            lambda image: self._engine.run(
                image,
                voice,
                face=pair.face,
                intensity=pair.intensity,
                emotion=pair.emotion,
                au=pair.au,
                relative=pair.relative,
                passes=pair.passes,
                detail=pair.detail,
            ),
        )
        return _codec.encode(result.image, False, self._job.format)


def _named(url: str, use: Callable[[Any], Any]) -> Any:
    """use(url), or use(its bytes) where it is no path; an error names it."""
    if not _folder.is_url(url):
        return use(url)
    try:
        file = _folder.read(url)
    except Exception as error:  # fsspec's backends raise of every kind
        raise InputError(f"{url}: cannot be read: {_first_line(error)}") from None
    try:
        return use(file)
    except Error as error:
        raise type(error)(f"{url}: {error}") from None


def name_of(pair: Pair, job: Job, key: str) -> str:
    """A result's name in the output folder: ab/ab12...png."""
    made_of = json.dumps([key, job.precision, *pair.__dict__.values()])
    digest = hashlib.sha256(made_of.encode()).hexdigest()[:32]
    return f"{digest[:2]}/{digest}.{job.format}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


# ---- The driver


def run(job: Job, address: str | None = None, say: Callable[[str], None] = logging.getLogger("emoengine").info) -> Summary:
    """Runs a batch on the cluster at `address`, on the one that is connected, or on one of this machine alone.

    say  is given a line of progress every 30 s. Raises Error for what concerns all rows, before any work; a row's failure is in
    the report.
    """
    job = dataclasses.replace(job, input=_absolute(job.input), output=_absolute(job.output))
    total = sum(len(part) for part in read_manifest(job.input))
    weights = [_weights(job.generator, "generator"), _weights(job.speech, "speech")]
    Engine(*weights, backend="cpu", threads=1).close()  # an Error now rather than on every machine
    key = hashlib.sha256(b"".join(hashlib.sha256(file).digest() for file in weights)).hexdigest()

    folder = _folder.Folder(job.output)
    run_id = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
    token = f"reports/{run_id}.running"
    try:
        folder.put(token, b"")
        done = np.array(sorted(name.encode() for name in folder.names() if name.endswith(f".{job.format}")), dtype="S")
    except Exception as error:  # fsspec's backends raise of every kind
        raise InputError(f"{job.output}: cannot be written: {_first_line(error)}") from None

    ours = not ray.is_initialized()
    try:
        if ours:
            _connect(address)
        return _run(job, total, weights, key, done, folder, run_id, token, say)
    finally:
        if ours:
            ray.shutdown()
        folder.remove(token)


def _absolute(path: str) -> str:
    return path if _folder.is_url(path) else os.path.abspath(path)


def _weights(file: str | None, kind: str) -> bytes:
    if file is None:
        file = str(Path(__file__).parent / f"share/emoengine/weights/{kind}.safetensors")
    try:
        return _folder.read(file)
    except Exception as error:  # fsspec's backends raise of every kind
        raise InputError(f"{file}: cannot be read: {_first_line(error)}") from None


def _connect(address: str | None) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
    try:
        if address is None:
            # The free ones do next to nothing, so they come on top.
            cpus = len(os.sched_getaffinity(0)) + _FREE_CPUS
            ray.init("local", num_cpus=cpus, object_store_memory=256 << 20, **quiet)
            return
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if port.isdigit():
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray itself tries for minutes
        ray.init(address, **quiet)
    except Exception as error:  # a ConnectionError, a RuntimeError or a ValueError, by what is wrong
        raise DeviceError(f"`address`: {address or 'this machine'}: no Ray cluster answers: {_first_line(error)}") from None


def count_workers(job: Job, nodes: list[dict[str, Any]]) -> int:
    """How many workers run on machines with such `Resources`; raises ArgumentError where they don't fit."""
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = int(sum(machine.get("CPU", 0) for machine in machines))
    fit = min((cpus - _FREE_CPUS) // job.cpus, sum(int(machine.get("CPU", 0) // job.cpus) for machine in machines))
    if job.gpus:
        fit = min(fit, int(sum(machine.get("GPU", 0) for machine in machines)) // job.gpus)
    if fit < max(1, job.workers):
        each = f"{job.cpus} CPUs" + (f" and {job.gpus} GPU" if job.gpus else "")
        raise ArgumentError(
            f"`workers`: {job.workers or 1} of {each} came; the cluster has {cpus} CPUs, of which {_FREE_CPUS} stay free to read "
            f"and cut the manifest: at most {max(0, fit)} fit"
        )
    return job.workers or fit


def _run(
    job: Job,
    total: int,
    weights: list[bytes],
    key: str,
    done: np.ndarray[Any, Any],
    folder: _folder.Folder,
    run_id: str,
    token: str,
    say: Callable[[str], None],
) -> Summary:
    workers = count_workers(job, ray.nodes())
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = 1 << 20  # rows are text: Ray shall not set aside 128 MiB of memory for each task's
    context.max_errored_blocks = -1  # a micro-batch that kills its workers is told in the report
    logging.getLogger("ray.data").setLevel(logging.WARNING)

    def read(source: dict[str, Any]) -> Iterator[pa.Table]:
        return read_manifest(str(source["input"][0]))

    results = (
        ray.data.from_items([{"input": job.input}])
        .map_batches(read, batch_size=1)
        .repartition(target_num_rows_per_block=job.batch)
        .map_batches(
            Worker,
            batch_size=job.batch,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
            num_cpus=job.cpus,
            num_gpus=job.gpus or None,
            memory=job.memory,
            ray_remote_args_fn=lambda: {"max_restarts": _RESTARTS, "max_task_retries": _RETRIES},
            fn_constructor_args=(job, [ray.put(file) for file in weights], key, ray.put(done), token),
        )
    )

    summary = Summary(f"reports/{run_id}.csv")
    seen = bytearray(total)
    text = io.StringIO(newline="")
    report = csv.DictWriter(text, REPORT)
    report.writeheader()

    def tell(row: dict[str, Any]) -> None:
        summary.counts[row["state"]] += 1
        report.writerow(row)

    try:
        with _Progress(summary.counts, total, say):
            for part in results.iter_batches(batch_size=None, batch_format="pyarrow"):
                for row in part.to_pylist():
                    if row["state"] == "stop":
                        raise DeviceError(row["error"])
                    if not seen[row["index"]]:
                        seen[row["index"]] = 1
                        tell(row)
        for index in (index for index in range(total) if not seen[index]):
            lost = f"its worker was lost {_RETRIES + 1} times; run again, with a smaller `batch` to find the row that is to blame"
            tell({"index": index, "state": "failed", "error": lost})
    except ray.exceptions.RayError as error:
        raise DeviceError(f"ray: {_first_line(error)}") from None
    finally:
        folder.put(summary.report, text.getvalue().encode())
    return summary


class _Progress:
    """Says a line every 30 s."""

    def __init__(self, counts: Counter[str], total: int, say: Callable[[str], None], every_s: float = 30) -> None:
        self._counts = counts
        self._total = total
        self._say = say
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _tell(self) -> None:
        start = time.monotonic()
        while not self._end.wait(self._every_s):
            rows = self._counts.total()
            rate = rows / (time.monotonic() - start)
            left = f"{(self._total - rows) / rate:.0f} s left" if rows else "no row yet"
            self._say(f"{rows} of {self._total} rows, {self._counts['failed']} failed, {rate:.1f}/s, {left}")


def check(cpus: int, address: str | None = None) -> bool:
    """Tells of each machine of a cluster whether it can work, on standard output. True: all can."""
    _connect(address)
    try:
        machines = _machines.check(cpus)
    finally:
        ray.shutdown()
    for line, faults in machines:
        print(line)
        for fault in faults:
            print(f"    {fault}")
    return not any(faults for _, faults in machines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0: every row has its result, or all machines are well; 3: some failed; 1: it could not run."""
    parser = argparse.ArgumentParser(
        "python -m emoengine.batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Job("", "")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--input", help="manifest, .csv or .parquet; a path or URL")
    what.add_argument("--check", action="store_true", help="look at every machine instead, and tell what would go wrong")
    parser.add_argument("--output", help="folder of the results; a path or URL (s3://bucket/folder)")
    parser.add_argument("--address", help="of a Ray cluster, or auto: the one of this machine [a new one of this machine alone]")
    parser.add_argument("--generator", help="weight file [the package's]")
    parser.add_argument("--speech", help="weight file [the package's]")
    parser.add_argument("--format", choices=FORMATS, default=defaults.format, help="[%(default)s]")
    parser.add_argument("--precision", default=defaults.precision, help="best, fp32, tf32, bf16 or fp16 [%(default)s]")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="pairs that a worker takes at a time [%(default)s]")
    parser.add_argument("--cpus", type=int, default=defaults.cpus, help="threads of a worker [%(default)s]")
    parser.add_argument("--gpus", type=int, default=defaults.gpus, choices=(0, 1), help="of a worker [%(default)s]")
    parser.add_argument("--memory", type=int, default=defaults.memory, help="bytes of a worker [%(default)s]")
    parser.add_argument("--workers", type=int, default=defaults.workers, help="at most [as many as fit]")
    given = vars(parser.parse_args(arguments))
    address, only_check = given.pop("address"), given.pop("check")
    if not only_check and not given["output"]:
        parser.error("--output is needed: the folder of the results")
    try:
        if only_check:
            return 0 if check(given["cpus"], address) else 3
        summary = run(Job(**given), address, lambda line: print(f"batch: {line}", file=sys.stderr, flush=True))
    except Error as error:
        print(f"batch: {error}", file=sys.stderr)
        return 1
    counts = summary.counts
    print(
        f"batch: {counts['made']} made, {counts['there']} were there, {counts['failed']} failed; see {summary.report}",
        file=sys.stderr,
    )
    return 3 if counts["failed"] else 0


if __name__ == "__main__":
    from emoengine import batch  # not __main__, whose classes other machines don't find

    sys.exit(batch.main())
