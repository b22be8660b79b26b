#!/usr/bin/env python3
"""Runs each suite of a GoogleTest program as a process of its own, so that a kernel that hangs or faults fails its suite alone.

    tests/gpu/run_suites.py PROGRAM --out tests.json [--limit 10] [--only NAME=FILTER ...]

With --only, those tests alone, under names that say what they try.

A line a suite as it ends: passed, failed, crashed or hung, and in which test. The report is whole after every suite:
{"tests": how many, "suites": [{"name", "result", "seconds", "test"}], "testsuites": as GoogleTest writes them}. The exit code is
0 when all passed. Only Python's own library, as on a bare machine.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def suites_of(program):
    """"Suite." and "Instance/Suite." of its list."""
    listed = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True, timeout=60).stdout
    return [line.split()[0] for line in listed.splitlines() if line and not line[0].isspace() and line.split()[0].endswith(".")]


def run(program, tests, limit_s, folder):
    """(result, the test that was running or None, GoogleTest's report of it or None)."""
    report = Path(folder) / "report.json"
    report.unlink(missing_ok=True)
    log = Path(folder) / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen([program, f"--gtest_filter={tests}", f"--gtest_output=json:{report}"], stdout=out, stderr=out)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
            process.kill()
            try:
                process.wait(2)  # a driver may hold it for ever
            except subprocess.TimeoutExpired:
                pass
    text = log.read_text(errors="replace")
    begun = re.findall(r"^\[ RUN      \] (\S+)", text, re.MULTILINE)
    ended = set(re.findall(r"^\[ +(?:OK|FAILED|SKIPPED) +\] (\S+?),?(?: |$)", text, re.MULTILINE))
    running = next((name for name in begun if name not in ended), None)
    whole = json.loads(report.read_text()) if report.exists() else None
    result = "hung" if code is None else "passed" if code == 0 else "failed" if whole else "crashed"
    if result != "passed":
        print(text[-4000:], flush=True)
    return result, running, whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=float, default=10, help="seconds of a suite [%(default)s]")
    parser.add_argument("--only", nargs="+", metavar="NAME=FILTER", help="GoogleTest's filters")
    options = parser.parse_args()
    all_suites = [] if options.only else suites_of(options.program)
    wanted = [only.split("=", 1) for only in options.only or []] + [(suite.rstrip("."), suite + "*") for suite in all_suites]
    report = {"tests": 0, "suites": [], "testsuites": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, tests in wanted:
            started = time.monotonic()
            result, running, whole = run(options.program, tests, options.limit, folder)
            if whole and whole["tests"] == 0:
                result = "no test"
            seconds = round(time.monotonic() - started, 2)
            report["suites"].append({"name": name, "result": result, "seconds": seconds, "test": running})
            if whole:
                report["tests"] += whole["tests"]
                report["testsuites"] += whole["testsuites"]
            print(f"{name:<40} {result:<8} {seconds:6.2f} s" + (f"  in {running}" if running else ""), flush=True)
            part = options.out.with_suffix(".part")
            part.write_text(json.dumps(report) + "\n")
            part.replace(options.out)
    sys.exit(any(suite["result"] != "passed" for suite in report["suites"]))


if __name__ == "__main__":
    main()
