#!/usr/bin/env python3
"""What tools/gpu_check.sh keeps and prints; only Python's own library, so that it works before anything is built.

    gpu_report.py machine                                      prints driver, GPU, clocks and versions as JSON
    gpu_report.py add WORK RESULTS STAGE RESULT SECONDS LIMIT  puts a stage's WORK/STAGE.json and its clocks into RESULTS
    gpu_report.py durations CSV...                             prints us of each kernel in ncu's tables, as they were launched
    gpu_report.py summary RESULTS                              prints stages, failed tests and the tables of bench/table.py

RESULTS: {"kind": "gpu", "date", "machine": {...}, "stages": [{"name", "result", "seconds", "limit_s", "sm_clock_mhz": {"low",
"median", "high"}}], and under its name what each stage wrote}.
"""

import csv
import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

import table

ROOT = Path(__file__).resolve().parent.parent
GPU_FACTS = ("name", "driver_version", "memory.total", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "compute_cap")
PACKAGES = ("torch", "torchaudio", "triton", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "numpy")


def words_of(*command):
    """Standard output of a program, None when it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=15).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine():
    facts = words_of("nvidia-smi", f"--query-gpu={','.join(GPU_FACTS)}", "--format=csv,noheader", "--id=0")
    if facts is None:
        sys.exit("gpu_report: nvidia-smi gives no answer; a machine with an NVIDIA GPU and its driver is needed")
    nvcc = re.search(r"release \S+ V(\S+)|V([\d.]+)", words_of("nvcc", "--version") or "")
    carried = ROOT / "carry/commit"
    return {
        "gpu": dict(zip(GPU_FACTS, facts.split(", "))),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "commit": words_of("git", "-C", str(ROOT), "describe", "--always", "--dirty")
        or (carried.read_text().strip() if carried.exists() else None),
        "versions": {"nvcc": nvcc and (nvcc.group(1) or nvcc.group(2)), "python": platform.python_version()}
        | {package: version_of(package) for package in PACKAGES if version_of(package)},
    }


def read_json(path):
    """What a stage wrote; of Google Benchmark's file, cut off by a time limit, all whole rows. None when there is nothing."""
    if not path.exists():
        return None
    text = path.read_text()
    for attempt in [text, text + "]}", text + "}]}", text[: text.rfind("},\n") + 1] + "]}"]:
        try:
            return json.loads(attempt)
        except json.JSONDecodeError:
            pass
    return None


def clocks_of(path):
    """The multiprocessors' clock while a stage ran, from rows "clock, power, temperature"; None without rows."""
    rows = [line.split(",")[0].strip() for line in path.read_text().splitlines()] if path.exists() else []
    mhz = [int(row) for row in rows if row.isdigit()]
    return {"low": min(mhz), "median": statistics.median_low(mhz), "high": max(mhz)} if mhz else None


def add(work, results, stage, result, seconds, limit_s):
    report = json.loads(results.read_text()) if results.exists() else {"kind": "gpu", "stages": []}
    report["date"] = datetime.date.today().isoformat()
    report["stages"] = [old for old in report["stages"] if old["name"] != stage]
    report["stages"].append({"name": stage, "result": result, "seconds": int(seconds), "limit_s": int(limit_s),
                             "sm_clock_mhz": clocks_of(work / f"{stage}.clocks")})
    report.pop(stage, None)
    written = read_json(work / f"{stage}.json")
    if written is not None:
        report[stage] = written
    whole = results.with_suffix(".part")
    whole.write_text(json.dumps(report, indent=1) + "\n")
    whole.replace(results)


def durations(tables):
    """{table: {"sum_us", "kernels": [[name, us], ...]}} of `ncu --csv --metrics gpu__time_duration.sum`."""
    units = {"nsecond": 1e-3, "ns": 1e-3, "usecond": 1, "us": 1, "msecond": 1e3, "ms": 1e3}
    found = {}
    for table_file in tables:
        lines = [line for line in table_file.read_text().splitlines() if line.startswith('"')]
        kernels = [[row["Kernel Name"].split("(")[0], float(row["Metric Value"].replace(",", "")) * units[row["Metric Unit"]]]
                   for row in csv.DictReader(lines) if row["Metric Name"] == "gpu__time_duration.sum"]
        found[table_file.stem] = {"sum_us": round(sum(us for _, us in kernels), 3), "kernels": kernels}
    return found


def failed_tests(tests):
    """Names of the report of tests/gpu/run_suites.py; of a suite that hung or crashed, the test that was running."""
    stuck = [f"{suite['test'] or suite['name']} ({suite['result']})" for suite in tests.get("suites", [])
             if suite["result"] in ("hung", "crashed")]
    return stuck + [f"{suite['name']}.{test['name']}" for suite in tests.get("testsuites", []) for test in suite["testsuite"]
            if test.get("failures")]


def summary(results):
    report = json.loads(results.read_text())
    for stage in report["stages"]:
        clock = stage["sm_clock_mhz"]
        print(f"{stage['name']:<11} {stage['result']:<12} {stage['seconds']:>4} s of {stage['limit_s']:>3} s"
              + (f"  {clock['low']} to {clock['high']} MHz, median {clock['median']}" if clock else ""))
    if "smoke" in report:
        bad = [f"{line['name']} ({line['result']})" for line in report["smoke"]["suites"] if line["result"] != "passed"]
        print(f"smoke       {len(report['smoke']['suites'])} tried, {len(bad)} not passed{': ' if bad else ''}{', '.join(bad)}")
    if "tests" in report:
        failed = failed_tests(report["tests"])
        print(f"tests       {report['tests']['tests']} run, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    for tool, result in report.get("sanitizers", {}).items():
        print(f"{tool:<11} {result}")
    for text in table.gpu_tables(report):
        print("\n" + text, end="")


def main():
    name, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else (None, [])
    if name == "machine" and not arguments:
        print(json.dumps(machine(), indent=1))
    elif name == "add" and len(arguments) == 6:
        add(Path(arguments[0]), Path(arguments[1]), *arguments[2:])
    elif name == "durations" and arguments:
        print(json.dumps(durations([Path(argument) for argument in arguments])))
    elif name == "summary" and len(arguments) == 1:
        summary(Path(arguments[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
