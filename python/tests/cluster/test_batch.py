from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import emoengine
from emoengine import _machines, batch

from pairs import Pairs, read_report, results, wait_until_still


def rows_of(url: Path | str) -> list[dict[str, Any]]:
    return [row for part in batch.read_manifest(str(url)) for row in part.to_pylist()]


class TestCheck:
    SEEN = {"version": emoengine.__version__, "broken": "", "shared": 8 << 30}
    RESOURCES = {"CPU": 4.0, "object_store_memory": float(2 << 30)}

    def test_a_machine_that_can_work_has_no_faults(self) -> None:
        assert _machines.faults_of(self.SEEN, self.RESOURCES, 4) == []

    @pytest.mark.parametrize(
        ("seen", "cpus", "fault"),
        [
            ({"version": "0.0.9"}, 1, f"has emoengine 0.0.9, here is {emoengine.__version__}; install the same on all"),
            ({"broken": "no weights"}, 1, "no weights"),
            ({}, 5, "has 4 CPUs; a worker takes 5"),
            (
                {"shared": 64 << 20},
                1,
                "/dev/shm has 0.06 GiB, less than Ray's store of 2.00 GiB, which then is on disk; in Docker give a larger "
                "--shm-size",
            ),
        ],
    )
    def test_a_fault_says_what_to_do(self, seen: dict[str, Any], cpus: int, fault: str) -> None:
        assert _machines.faults_of({**self.SEEN, **seen}, self.RESOURCES, cpus) == [fault]


class TestManifest:
    def test_csv_and_parquet_give_the_same_pairs(self, pairs: Pairs, tmp_path: Path) -> None:
        csv = pairs.manifest(tmp_path / "m.csv", 7, {"intensity": ""})
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(csv), tmp_path / "m.parquet")
        both = [[batch.Pair.of(row, "") for row in rows_of(path)] for path in (csv, tmp_path / "m.parquet")]
        assert both[0] == both[1]
        assert both[0][-1].intensity == 1

    def test_rows_know_their_place(self, pairs: Pairs, tmp_path: Path) -> None:
        manifest = pairs.manifest(tmp_path / "m.csv", 23)
        parts = list(batch.read_manifest(str(manifest), rows=5))
        assert [len(part) for part in parts] == [5, 5, 5, 5, 3]
        assert [row["index"] for part in parts for row in part.to_pylist()] == list(range(23))

    def test_a_row_of_another_length_is_its_own_failure(self, tmp_path: Path) -> None:
        (tmp_path / "m.csv").write_text("image,voice\na.png\nb.png,b.wav\nc.png,c.wav,1\n")
        assert [row["error"] for row in rows_of(tmp_path / "m.csv")] == [
            f"{tmp_path}/m.csv: line 2: has more or fewer fields than the header's 2",
            None,
            f"{tmp_path}/m.csv: line 4: has more or fewer fields than the header's 2",
        ]

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            (b"image,sound\n", "m.csv: has no column voice, only image, sound"),
            (b"", "m.csv: has no column image and voice, only none"),
            (b"image,voice\n\xff,b\n", "m.csv: cannot be read: 'utf-8' codec can't decode byte 0xff"),
        ],
    )
    def test_one_that_cannot_be_used_is_named(self, tmp_path: Path, content: bytes, text: str) -> None:
        (tmp_path / "m.csv").write_bytes(content)
        with pytest.raises(emoengine.InputError, match=text):
            rows_of(tmp_path / "m.csv")

    def test_parquet_that_cannot_be_used_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(emoengine.InputError, match=r"m\.parquet: cannot be read: .*No such file"):
            rows_of(tmp_path / "m.parquet")
        (tmp_path / "m.parquet").write_bytes(b"image,voice")
        with pytest.raises(emoengine.InputError, match=r"m\.parquet: cannot be read: "):
            rows_of(tmp_path / "m.parquet")


class TestNames:
    ROW = dict.fromkeys(batch.COLUMNS) | {"image": "a.png", "voice": "b.wav"}

    def name(self, job: batch.Job | None = None, key: str = "k", base: str = "/d", **row: str) -> str:
        return batch.name_of(batch.Pair.of(self.ROW | row, base), job or batch.Job("m", "o"), key)

    def test_all_that_a_picture_depends_on_is_in_its_name(self) -> None:
        others = [
            self.name(key="other weights"),
            self.name(base="/other"),
            self.name(batch.Job("m", "o", precision="fp32")),
            self.name(batch.Job("m", "o", format="jpg")),
            *(self.name(**{name: "true" if name == "relative" else "2"}) for name in batch.COLUMNS),
        ]
        assert len({self.name(), *others}) == 1 + len(others)

    def test_how_the_work_is_shared_out_is_not(self) -> None:
        assert self.name() == self.name(batch.Job("m", "o", batch=3, cpus=2, workers=4), intensity="1.0")

    @pytest.mark.parametrize(
        ("row", "text"),
        [
            ({"image": " "}, "`image`: is empty; a path or URL is needed"),
            ({"intensity": "much"}, "`intensity`: 'much' came; a number is needed"),
            ({"face": "left"}, "`face`: 'left' came; largest, all, crop or a number from 1 is needed"),
            ({"relative": "maybe"}, "`relative`: 'maybe' came; true or false is needed"),
            ({"passes": "1.5"}, "`passes`: '1.5' came; a whole number is needed"),
        ],
    )
    def test_a_value_that_cannot_be_used_is_named(self, row: dict[str, str], text: str) -> None:
        with pytest.raises(emoengine.InputError, match=text):
            self.name(**row)


class TestWorkers:
    @staticmethod
    def count(machines: list[int], gpus: int = 0, **options: int) -> int:
        nodes = [{"Alive": True, "Resources": {"CPU": float(n), "GPU": float(gpus)}} for n in machines]
        return batch.count_workers(batch.Job("m", "o", gpus=min(gpus, 1), **options), nodes)

    def test_two_cpus_stay_free(self) -> None:
        assert self.count([4, 4]) == 6
        assert self.count([8, 8], cpus=3) == 4  # two a machine
        assert self.count([8, 8], gpus=2) == 4
        with pytest.raises(
            emoengine.ArgumentError,
            match="`workers`: 4 of 1 CPUs came; the cluster has 4 CPUs, of which 2 stay free .* at most 2 fit",
        ):
            self.count([4], workers=4)
        with pytest.raises(emoengine.ArgumentError, match="`workers`: 1 of 1 CPUs came; the cluster has 2 CPUs"):
            self.count([2])

    @pytest.mark.parametrize(
        ("options", "text"),
        [({"format": "gif"}, "`format`: 'gif' came; one of png, jpg, webp"), ({"batch": 0}, "`batch`: 0 came; at least 1")],
    )
    def test_options_are_checked(self, options: dict[str, Any], text: str) -> None:
        with pytest.raises(emoengine.ArgumentError, match=text):
            batch.Job("m", "o", **options)


class FlakyEngine:
    """Lacks memory until at most `fits` rows are at work."""

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.at_work = 0

    def picture(self, _: Any) -> bytes:
        self.at_work += 1
        time.sleep(0.05)
        full, self.at_work = self.at_work > self.fits, self.at_work - 1
        if full:
            raise emoengine.OutOfMemoryError("cuda: 3 GiB more are needed")
        return b"picture"


@pytest.mark.usefixtures("one_machine")
class TestOneMachine:
    def test_results_are_the_engine_s(self, pairs: Pairs, tmp_path: Path) -> None:
        bad = [
            ({"image": "gone.png"}, f"{tmp_path}/gone.png: cannot be opened: No such file or directory"),
            ({"voice": f"{pairs.folder}/face.png"}, f"{pairs.folder}/face.png: "),
            ({"intensity": "nan"}, "intensity"),
            ({"intensity": "much"}, "`intensity`: 'much' came; a number is needed"),
        ]
        manifest = pairs.manifest(tmp_path / "m.csv", 40, *(row for row, _ in bad))
        job = pairs.job(manifest, tmp_path / "out", precision="fp32")
        summary = batch.run(job)
        assert summary.counts == {"made": 40, "failed": 4}

        report = sorted(read_report((tmp_path / "out" / summary.report).read_text()), key=lambda row: int(row["index"]))
        assert [int(row["index"]) for row in report] == list(range(44))
        for row, (_, text) in zip(report[40:], bad, strict=True):
            assert row["state"] == "failed"
            assert text in row["error"]
        made = results(tmp_path / "out")
        assert sorted(made) == sorted(row["result"] for row in report[:40])
        with emoengine.Engine(pairs.generator, pairs.speech, precision="fp32") as engine:
            for i in (0, 17, 39):
                face, voice = pairs.folder / "face.png", pairs.folder / "voice.wav"
                want = engine.run(face, voice, face="crop", detail="network", intensity=i / 40)
                emoengine.write_picture(tmp_path / "want.png", want.image)
                assert made[report[i]["result"]] == (tmp_path / "want.png").read_bytes()

        # Once more: only what failed is tried again.
        stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("??/*")}
        again = batch.run(job)
        assert again.counts == {"there": 40, "failed": 4}
        assert again.report != summary.report
        assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("??/*")}
        assert sorted(path.suffix for path in (tmp_path / "out/reports").iterdir()) == [".csv", ".csv"]

    def test_rows_that_lack_memory_are_tried_among_fewer(self, pairs: Pairs, tmp_path: Path) -> None:
        import ray

        (tmp_path / "there").touch()
        manifest = pairs.manifest(tmp_path / "m.csv", 8)
        rows = next(batch.read_manifest(str(manifest)))
        files = [ray.put(Path(file).read_bytes()) for file in (pairs.generator, pairs.speech)]
        done = ray.put(np.array([], dtype="S"))
        worker = batch.Worker(pairs.job(manifest, tmp_path), files, "key", done, "there")
        for fits, made in ((2, 8), (0, 0)):
            worker._picture = FlakyEngine(fits).picture  # type: ignore[method-assign]
            report = worker(rows).to_pylist()
            assert sorted(row["index"] for row in report) == list(range(8))
            assert sum(row["state"] == "made" for row in report) == made
        assert {row["error"] for row in report} == {"cuda: 3 GiB more are needed"}

    def test_a_row_that_kills_its_worker_is_told(
        self, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Deadly(batch.Worker):
            def _picture(self, pair: batch.Pair) -> bytes:
                return os._exit(1) if pair.passes == 2 else super()._picture(pair)

        monkeypatch.setattr(batch, "Worker", Deadly)
        manifest = tmp_path / "m.csv"
        pair = f"{pairs.folder}/face.png,{pairs.folder}/voice.wav,crop"
        manifest.write_text("image,voice,face,passes\n" + "".join(f"{pair},{passes}\n" for passes in (1, 2, 3)))
        summary = batch.run(pairs.job(manifest, tmp_path / "out", batch=1))
        assert summary.counts == {"made": 2, "failed": 1}
        report = read_report((tmp_path / "out" / summary.report).read_text())
        (lost,) = (row for row in report if row["state"] == "failed")
        assert lost["index"] == "1"
        assert lost["error"].startswith("its worker was lost 4 times; run again, ")

    def test_a_folder_that_is_not_shared_stops_all(self, pairs: Pairs, tmp_path: Path) -> None:
        import ray

        manifest = pairs.manifest(tmp_path / "m.csv", 1)
        done = ray.put(np.array([], dtype="S"))
        worker = batch.Worker(pairs.job(manifest, tmp_path), [], "key", done, "reports/gone.running")
        (row,) = worker(next(batch.read_manifest(str(manifest)))).to_pylist()
        assert row["state"] == "stop"
        assert f"{tmp_path}: is another folder on " in row["error"]
        assert "give one that all machines share, or a bucket" in row["error"]


def test_progress_is_a_line_now_and_then() -> None:
    said: list[str] = []
    counts = Counter({"made": 8, "failed": 2})
    with batch._Progress(counts, 40, said.append, every_s=0.05):
        time.sleep(0.2)
    assert re.fullmatch(r"10 of 40 rows, 2 failed, [0-9.]+/s, \d+ s left", said[0])


class TestS3:
    @pytest.mark.usefixtures("one_machine")
    def test_all_files_may_be_in_a_bucket(self, pairs: Pairs, s3: Any, tmp_path: Path) -> None:
        s3.create_bucket(Bucket="faces")
        manifest = pairs.manifest(tmp_path / "m.csv", 10, {"image": "s3://faces/gone.png"}, {"voice": "in/face.png"})
        for name in ("face.png", "voice.wav"):
            s3.upload_file(str(pairs.folder / name), "faces", f"in/{name}")
        manifest.write_text(manifest.read_text().replace(f"{pairs.folder}/", "in/"))
        s3.upload_file(str(manifest), "faces", "m.csv")

        job = pairs.job("s3://faces/m.csv", "s3://faces/out")
        summary = batch.run(job)
        assert summary.counts == {"made": 10, "failed": 2}
        report = read_report(s3.get_object(Bucket="faces", Key=f"out/{summary.report}")["Body"].read().decode())
        errors = sorted(row["error"] for row in report if row["error"])
        assert errors[0].startswith("s3://faces/gone.png: cannot be read: ")
        assert errors[1].startswith("s3://faces/in/face.png: ")
        keys = {found["Key"] for found in s3.list_objects_v2(Bucket="faces", Prefix="out/")["Contents"]}
        assert keys == {f"out/{row['result']}" for row in report if not row["error"]} | {f"out/{summary.report}"}
        local = batch.run(pairs.job(pairs.manifest(tmp_path / "l.csv", 10), tmp_path / "out"))
        assert local.counts == {"made": 10}
        body = {s3.get_object(Bucket="faces", Key=key)["Body"].read() for key in keys if key.endswith(".png")}
        assert body == set(results(tmp_path / "out").values())

        assert batch.run(job).counts == {"there": 10, "failed": 2}

    def test_a_bucket_that_cannot_be_used_is_named(self, pairs: Pairs, s3: Any, tmp_path: Path) -> None:
        manifest = pairs.manifest(tmp_path / "m.csv", 1)
        with pytest.raises(emoengine.InputError, match="s3://nobody/out: cannot be written: .*bucket does not exist"):
            batch.run(pairs.job(manifest, "s3://nobody/out"))
        s3.create_bucket(Bucket="closed")

        def refuse(after: str) -> None:
            text = {"Content-Type": "text/plain"}
            url = f"{s3.meta.endpoint_url}/moto-api/reset-auth"
            urllib.request.urlopen(urllib.request.Request(url, data=after.encode(), headers=text, method="POST")).close()

        refuse("0")
        try:
            with pytest.raises(emoengine.InputError, match="s3://closed/out: cannot be written: .*"):
                batch.run(pairs.job(manifest, "s3://closed/out"))
            with pytest.raises(emoengine.InputError, match=r"s3://closed/m\.csv: cannot be read: .*"):
                batch.run(pairs.job("s3://closed/m.csv", tmp_path))
        finally:
            refuse("inf")


class TestCommand:
    @staticmethod
    def failure(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(arguments, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stderr.splitlines()[-1]

    def test_what_concerns_all_rows_is_one_sentence(self, pairs: Pairs, tmp_path: Path) -> None:
        manifest = pairs.manifest(tmp_path / "m.csv", 1)
        (tmp_path / "file").touch()
        for command, text in (
            (pairs.command(tmp_path / "none.csv", tmp_path), f"batch: {tmp_path}/none.csv: cannot be read: [Errno 2]"),
            (pairs.command(manifest, tmp_path / "file/out"), f"batch: {tmp_path}/file/out: cannot be written: [Errno 20]"),
            (
                [*pairs.command(manifest, tmp_path / "out"), "--address", "127.0.0.1:1"],
                "batch: `address`: 127.0.0.1:1: no Ray cluster answers: ",
            ),
            ([*pairs.command(manifest, tmp_path / "out"), "--generator", "none"], "batch: none: cannot be read: "),
            ([*pairs.command(manifest, tmp_path / "out"), "--generator", str(manifest)], "batch: "),
        ):
            code, line = self.failure(*command)
            assert code == 1
            assert line.startswith(text)
        assert not list(tmp_path.glob("out/reports/*"))

    def test_a_driver_that_is_killed_goes_on(self, pairs: Pairs, tmp_path: Path) -> None:
        rows, out = 200, tmp_path / "out"
        manifest = pairs.manifest(tmp_path / "m.csv", rows, {"image": "gone.png"})
        command = pairs.command(manifest, out)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as driver:
            while len(list(out.glob("??/*.png"))) < 20:
                assert driver.poll() is None
                time.sleep(0.05)
            driver.send_signal(signal.SIGKILL)
        wait_until_still(out)
        before = {path: path.stat().st_mtime_ns for path in out.glob("??/*.png")}
        assert len(before) < rows

        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 3
        (report,) = out.glob("reports/*.csv")
        made = rows - len(before)
        assert done.stderr.splitlines()[-1] == (
            f"batch: {made} made, {len(before)} were there, 1 failed; see reports/{report.name}"
        )
        listed = read_report(report.read_text())
        assert sorted(int(row["index"]) for row in listed) == list(range(rows + 1))
        assert set(results(out)) == {row["result"] for row in listed if row["state"] != "failed"}
        assert {path: path.stat().st_mtime_ns for path in before} == before
