"""A look at the machines of a Ray cluster before a long batch: python -m emoengine.batch --check."""

from __future__ import annotations

import os
import shutil
from typing import Any

import ray
import ray.util.scheduling_strategies

from . import __version__
from ._engine import Engine
from .errors import Error

_GIB = 1 << 30


def _look() -> dict[str, Any]:
    """What only the machine itself knows."""
    try:
        with Engine(threads=1) as engine:
            backend, broken = engine.backend, ""
    except Error as error:
        backend, broken = "none", str(error)
    shared = shutil.disk_usage("/dev/shm").total if os.path.isdir("/dev/shm") else 0
    return {"version": __version__, "backend": backend, "broken": broken, "shared": shared}


def faults_of(seen: dict[str, Any], resources: dict[str, float], cpus: int) -> list[str]:
    """Why a machine would not work, or work slowly. `resources` are Ray's."""
    faults = []
    if seen["version"] != __version__:
        faults.append(f"has emoengine {seen['version']}, here is {__version__}; install the same on all")
    if seen["broken"]:
        faults.append(str(seen["broken"]))
    if resources.get("CPU", 0) < cpus:
        faults.append(f"has {resources.get('CPU', 0):.0f} CPUs; a worker takes {cpus}")
    store = resources.get("object_store_memory", 0)
    if seen["shared"] < store:
        faults.append(
            f"/dev/shm has {seen['shared'] / _GIB:.2f} GiB, less than Ray's store of {store / _GIB:.2f} GiB, which then is on disk; "
            "in Docker give a larger --shm-size"
        )
    return faults


def check(cpus: int) -> list[tuple[str, list[str]]]:
    """A line for each machine of the connected cluster, and its faults. `cpus`: of a worker."""
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    found: list[tuple[str, list[str]]] = []
    for node in sorted(ray.nodes(), key=lambda node: str(node["NodeManagerAddress"])):
        address, resources = node["NodeManagerAddress"], node["Resources"]
        if not node["Alive"]:
            found.append((f"{address}: lost", []))
            continue
        there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        try:
            seen = ray.get(look.options(scheduling_strategy=there).remote(), timeout=120)
        except Exception as error:  # Ray's are of many kinds: a package that is not there, a machine that went
            found.append((f"{address}: does not answer", [str(error).strip().splitlines()[-1]]))
            continue
        line = (
            f"{address}: emoengine {seen['version']}, {seen['backend']}; {resources.get('CPU', 0):.0f} CPUs, "
            f"{resources.get('GPU', 0):.0f} GPUs, {resources.get('memory', 0) / _GIB:.1f} GiB"
        )
        found.append((line, faults_of(seen, resources, cpus)))
    return found
