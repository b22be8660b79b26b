#!/usr/bin/env python3
"""What Ray costs: the time between a worker's micro-batches, and two workers of a thread against twice one process.

    bench/ray/bench_batch.py [--rows 64] [--batch 8]      with a Python that has 'emoengine[ray]'

The pairs are the sample portrait and a sample voice; default models, fp32. Every process does the same work with one thread; a
machine that does anything else meanwhile makes the second figure worthless, so the load is told, and the CPU time of a pair.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0", RAY_raylet_start_wait_time_s="120")

import pyarrow as pa

from emoengine import batch

ROOT = Path(__file__).resolve().parents[2]


class TimedWorker(batch.Worker):
    """Notes when it was at work."""

    def __call__(self, rows: pa.Table) -> pa.Table:
        start, cpu = time.time(), time.process_time()
        result = super().__call__(rows)
        with open(f"{self._job.output}/times-{os.getpid()}", "a") as file:
            print(json.dumps([start, time.time(), time.process_time() - cpu, len(rows)]), file=file)
        return result


def manifest(folder: Path, rows: int) -> Path:
    path = folder / "m.csv"
    pair = f"{ROOT}/samples/astronaut.png,{ROOT}/samples/happy.flac"
    path.write_text("\n".join(["image,voice,intensity", *(f"{pair},{i / rows:.6f}" for i in range(rows))]) + "\n")
    return path


def measure(rows: int, size: int, workers: int) -> list[list[list[float]]]:
    """[start, end, CPU seconds, rows] of each micro-batch, for each worker."""
    with tempfile.TemporaryDirectory() as folder:
        job = batch.Job(str(manifest(Path(folder), rows)), folder, batch=size, workers=workers, precision="fp32")
        summary = batch.run(job)
        assert summary.counts == {"made": rows}
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in Path(folder).glob("times-*")]


def plain(rows: int, size: int) -> float:
    """Pairs a second of one process without Ray on one processor, after its first micro-batch. An engine of one thread
    alone would not do: rows are read and heard on threads of their own, so it would use every processor."""
    from concurrent.futures import ThreadPoolExecutor

    from emoengine import Engine, _codec, _folder

    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    engine = Engine(backend="cpu", precision="fp32", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        out = _folder.Folder(folder)

        def one(i: int) -> None:
            result = engine.run(ROOT / "samples/astronaut.png", ROOT / "samples/happy.flac", intensity=i / rows)
            out.put(f"{i % 256:02x}/{i}.png", _codec.encode(result.image, False, "png"))

        with ThreadPoolExecutor(size) as pool:
            list(pool.map(one, range(size)))
            start = time.time()
            for first in range(size, rows, size):
                list(pool.map(one, range(first, min(rows, first + size))))
        return (rows - size) / (time.time() - start)


def rate(calls: list[list[float]]) -> float:
    """Pairs a second after the first micro-batch, gaps between calls included."""
    return sum(call[3] for call in calls[1:]) / (calls[-1][1] - calls[0][1])


def cpu_s(calls: list[list[float]]) -> float:
    """CPU seconds of a pair, which other programs hardly change."""
    return sum(call[2] for call in calls[1:]) / sum(call[3] for call in calls[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--plain", action="store_true", help="only the process without Ray")
    given = parser.parse_args()
    if given.plain:
        print(plain(given.rows, given.batch))
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    batch.Worker = TimedWorker  # type: ignore[misc]
    alone: Any = [sys.executable, __file__, "--plain", "--rows", str(given.rows), "--batch", str(given.batch)]

    def run_plain() -> float:
        return float(subprocess.run(alone, check=True, stdout=subprocess.PIPE, text=True).stdout)

    batch._connect(None)
    before = run_plain()
    (one,) = measure(given.rows, given.batch, 1)
    two = measure(2 * given.rows, given.batch, 2)
    after = run_plain()
    gaps = [start[0] - end[1] for end, start in zip(one, one[1:], strict=False)]
    busy = [call[1] - call[0] for call in one]
    result = {
        "one_process_per_s": [round(before, 3), round(after, 3)],
        "one_worker_per_s": round(rate(one), 3),
        "cpu_s_per_pair": round(cpu_s(one), 3),
        "two_workers_per_s": [round(rate(calls), 3) for calls in two],
        "two_workers_cpu_s_per_pair": [round(cpu_s(calls), 3) for calls in two],
        "micro_batch_s": round(sum(busy) / len(busy), 3),
        "gap_ms": round(1000 * sum(gaps) / len(gaps), 2),
        "overhead": round(sum(gaps) / (sum(gaps) + sum(busy[1:])), 4),
        "two_workers_over_twice_one": round(sum(map(rate, two)) / (before + after), 3),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
