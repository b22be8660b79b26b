#!/usr/bin/env python3
"""Puts the newest result of each machine in bench/results/ into the README, between the two marker lines.

    python3 bench/table.py
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- performance:begin -->\n", "<!-- performance:end -->\n"
NAMES = {"emoengine": "emoengine", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}


def newest_by_machine():
    newest = {}
    for file in (ROOT / "bench/results").glob("*.json"):
        report = json.loads(file.read_text())
        key = report["cpu"], report["threads"]
        if key not in newest or newest[key]["date"] < report["date"]:
            newest[key] = report
    return [newest[key] for key in sorted(newest)]


def cell(row):
    return f"{row['median_ms']:.1f} ms" + ("" if row["engine"] == "emoengine" else f" ({row['times_ours']:.2f}x)")


def table(reports):
    lines = ["| processor | threads | filters | " + " | ".join(NAMES.values()) + " |", "| --- " * (3 + len(NAMES)) + "|"]
    for report in reports:
        for width in sorted({row["width"] for row in report["results"]}, reverse=True):
            rows = {row["engine"]: row for row in report["results"] if row["width"] == width}
            cells = [f"{report['cpu']}, {report['date']}", str(report["threads"]), str(width)] + [cell(rows[name]) for name in NAMES]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    reports = newest_by_machine()
    if not reports:
        sys.exit("table: bench/results/ holds no result; run bench/peers.py first")
    readme = ROOT / "README.md"
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"table: README.md needs the lines {BEGIN.strip()} and {END.strip()}, once each and in this order")
    before, rest = text.split(BEGIN)
    readme.write_text(before + BEGIN + table(reports) + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
