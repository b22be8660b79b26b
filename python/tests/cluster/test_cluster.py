"""Three machines: network namespaces of this one, joined by a bridge. They show that nothing is lost, not how fast it is.

EMO_CLUSTER_ROWS=100000 makes it more than the 2,000 pairs that are usual.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import emoengine
from pairs import Pairs, read_report, results, wait_until_still

ROWS = int(os.environ.get("EMO_CLUSTER_ROWS", "2000"))
HEAD = "10.77.0.11"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and iproute2"
)


def ip(command: str, check: bool = True) -> str:
    return subprocess.run(["ip", *command.split()], check=check, capture_output=True, text=True).stdout


class Machine:
    """A namespace with an address, and Ray on it."""

    def __init__(self, number: int) -> None:
        self.name = f"emo-ray{number}"
        self.address = f"10.77.0.{10 + number}"
        ip(f"netns add {self.name}")
        ip(f"link add emo-veth{number} type veth peer name eth0 netns {self.name}")
        ip(f"link set emo-veth{number} master emo-bridge up")
        ip(f"-n {self.name} addr add {self.address}/24 dev eth0")
        ip(f"-n {self.name} link set eth0 up")
        ip(f"-n {self.name} link set lo up")

    def popen(self, command: list[str], **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], text=True, **options)  # type: ignore[call-overload,no-any-return]

    def start_ray(self, log: Path, *options: str) -> None:
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--node-ip-address={self.address}", *options]
        with open(log, "w") as file, self.popen([*ray, "--object-store-memory=100000000"], stdout=file, stderr=file) as start:
            pass
        assert start.returncode == 0, log.read_text()

    def processes(self) -> dict[int, str]:
        """Command lines."""
        found = {}
        for pid in map(int, ip(f"netns pids {self.name}", check=False).split()):
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except OSError:  # it ended
                pass
        return found

    def kill(self) -> None:
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Machine]]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # nobody else is in these namespaces
    made: list[Machine] = []
    ip("link add emo-bridge type bridge")
    try:
        ip("link set emo-bridge up")
        made += (Machine(number) for number in (1, 2, 3))
        made[0].start_ray(tmp_path / "head.log", "--head", "--port=6379", "--num-cpus=2", "--include-dashboard=false")
        for machine in made[1:]:
            machine.start_ray(tmp_path / f"{machine.name}.log", f"--address={HEAD}:6379", "--num-cpus=1")
        yield made
    finally:
        for number, machine in enumerate(made, 1):
            machine.kill()
            ip(f"link del emo-veth{number}", check=False)
            ip(f"netns del {machine.name}", check=False)
        ip("link del emo-bridge", check=False)


def wait_for(driver: subprocess.Popen[str], out: Path, count: int) -> None:
    while len(list(out.glob("??/*.png"))) < count:
        assert driver.poll() is None
        time.sleep(0.2)


def test_a_lost_machine_and_a_killed_driver_lose_nothing(pairs: Pairs, machines: list[Machine], tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = pairs.manifest(tmp_path / "m.csv", ROWS)
    command = pairs.command(manifest, out, "--address", f"{HEAD}:6379", "--precision", "fp32", "--batch", str(8 if ROWS < 10_000 else 64))
    head, *others = machines

    check = [sys.executable, "-m", "emoengine.batch", "--check", "--address", f"{HEAD}:6379"]
    with head.popen(check, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as checking:
        told = checking.communicate()[0]
    assert [line.split(":")[0] for line in told.splitlines() if line[0] != " "] == [machine.address for machine in machines]
    assert checking.returncode == 0, told

    with machines[0].popen(command, stderr=subprocess.DEVNULL) as driver:
        wait_for(driver, out, ROWS // 20)
        working = [machine for machine in others if any("MapWorker" in line for line in machine.processes().values())]
        working[-1].kill()
        wait_for(driver, out, ROWS // 4)
        driver.kill()
    wait_until_still(out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("??/*.png")}
    assert ROWS // 4 <= len(before) < ROWS

    with head.popen(command, stderr=subprocess.PIPE) as driver:
        said = driver.communicate()[1].splitlines()
    assert driver.returncode == 0, said
    (report,) = out.glob("reports/*.csv")
    assert said[-1] == (
        f"batch: {ROWS - len(before)} made, {len(before)} were there, 0 failed; see reports/{report.name}"
    )
    rows = sorted(read_report(report.read_text()), key=lambda row: int(row["index"]))
    assert [int(row["index"]) for row in rows] == list(range(ROWS))
    made = results(out)
    assert len(made) == ROWS
    assert set(made) == {row["result"] for row in rows}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with emoengine.Engine(pairs.generator, pairs.speech, precision="fp32") as engine:
        for i in range(0, ROWS, ROWS // 20):
            want = engine.run(
                pairs.folder / "face.png",
                pairs.folder / "voice.wav",
                face="crop",
                detail="network",
                intensity=float(f"{i / ROWS:.6f}"),
            )
            emoengine.write_picture(tmp_path / "want.png", want.image)
            assert made[rows[i]["result"]] == (tmp_path / "want.png").read_bytes()
