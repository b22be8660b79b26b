#!/usr/bin/env python3
"""Puts the newest result of each machine in bench/results/ into the README, between the two marker lines.

    python3 bench/table.py

Results are what bench/peers.py writes, of a CPU, and the results.json of tools/gpu_check.sh, of a GPU.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- performance:begin -->\n", "<!-- performance:end -->\n"
NAMES = {"emoengine": "emoengine", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}


def markdown(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


# --- of a CPU


def cpu_cell(row):
    return f"{row['median_ms']:.1f} ms" + ("" if row["engine"] == "emoengine" else f" ({row['times_ours']:.2f}x)")


def cpu_table(reports):
    lines = []
    for report in reports:
        for width in sorted({row["width"] for row in report["results"]}, reverse=True):
            rows = {row["engine"]: row for row in report["results"] if row["width"] == width}
            lines.append([f"{report['cpu']}, {report['date']}", str(report["threads"]), str(width),
                          *(cpu_cell(rows[name]) for name in NAMES)])
    return markdown(["processor", "threads", "filters", *NAMES.values()], lines)


# --- of a GPU. Ours are rows of Google Benchmark, whose names tell what was measured: BM_Conv/layer:main.3/precision:fp16/N:1


def ours(report, stage, title):
    """Rows of one benchmark, what its name says among the fields."""
    rows = []
    for row in report.get(stage, {}).get("benchmarks", []):
        name, *parts = row["name"].split("/")
        if name == title and "median_ms" in row:
            rows.append(row | dict(part.split(":", 1) for part in parts if ":" in part))
    return rows


def peers(report, work, **fields):
    """engine -> its row of that work; of several precisions the fastest."""
    found = {}
    for row in report.get("peers", {}).get("results", []):
        if row["work"] != work or any(str(row[key]) != str(value) for key, value in fields.items()):
            continue
        if row["engine"] not in found or row["device_ms"] < found[row["engine"]]["device_ms"]:
            found[row["engine"]] = row
    return found


def time_of(ms):
    return f"{ms:.2f} ms" if ms >= 1 else f"{ms * 1e3:.1f} us"


def against(ms, peer_ms):
    """A peer's time and how many times ours it is; a dash when there is none."""
    return "-" if peer_ms is None else f"{time_of(peer_ms)} ({peer_ms / ms:.2f}x)"


def generator_table(report):
    engines = ["torch.compile", "torch.compile, max-autotune", "cuDNN, fused norm", "eager, graph", "eager"]
    rows = []
    for title, place in {"BM_GeneratorOnDevice": "GPU", "BM_Generator": "host"}.items():
        for row in ours(report, "generator", title):
            if row.get("backend", "cuda") != "cuda" or (row["precision"], row["width"]) != ("fp16", "64"):
                continue
            found = peers(report, "generator", width=row["width"], N=row["N"], precision="fp16")
            if place == "GPU":
                times = [found.get(engine, {}).get("device_ms") for engine in engines]
            else:  # copies and waiting included, in either
                times = [found.get(f"{engine}, host to host", {}).get("median_ms") for engine in engines]
            rows.append([row["N"], place, time_of(row["median_ms"]), f"{row['images_per_s']:.0f}", f"{row['share_of_ceiling']:.0%}",
                         *(against(row["median_ms"], ms) for ms in times)])
    return ["faces", "from and to", "emoengine", "faces/s", "of the ceiling", *engines], rows


def conv_table(report):
    rows = []
    for row in ours(report, "convs", "BM_Conv"):
        peer = peers(report, "conv", layer=row["layer"], N=row["N"], precision=row["precision"]).get("cuDNN", {})
        rows.append([row["layer"], row["N"], row["instruction"], time_of(row["median_ms"]), f"{row['share_of_ceiling']:.0%}",
                     against(row["median_ms"], peer.get("device_ms"))])
    return ["convolution", "faces", "by", "emoengine", "of the ceiling", "cuDNN's best"], rows


def speech_table(report):
    rows = []
    for row in ours(report, "speech", "BM_Speech"):
        if row["backend"] == "cuda" and row["seconds"] == "6":
            fastest = min((peer["device_ms"] / peer["steps"] / peer["layers"]
                           for peer in peers(report, "lstm", hidden=row["hidden"], layers=row["layers"]).values()), default=None)
            step_ms = row["lstm_us_per_step_and_layer"] * 1e-3
            rows.append([f"LSTM, {row['hidden']} units, a step and layer", time_of(step_ms), against(step_ms, fastest), "cuDNN"])
    for row in ours(report, "speech", "BM_Mfcc"):
        if row["backend"] == "cuda" and row["seconds"] == "3":
            found = peers(report, "mfcc", seconds=row["seconds"])
            for engine in [engine for engine in found if engine.startswith("torchaudio")] or found:
                rows.append(["MFCC of 3 s", time_of(row["median_ms"]), against(row["median_ms"], found[engine]["device_ms"]), engine])
    return ["speech", "emoengine", "peer", "which"], rows


def gpu_tables(report):
    """Those for which there are results; nothing is in them that was not measured."""
    made = [markdown(head, rows) for head, rows in map(lambda make: make(report), (generator_table, speech_table, conv_table)) if rows]
    if not made:
        return []
    gpu = report["machine"]["gpu"]
    made[0] = f"{gpu['name']}, driver {gpu['driver_version']}, {report['date']}; 64 filters, 128x128, fp16.\n\n" + made[0]
    return made


# --- the README


def newest_by_machine():
    newest = {}
    for file in (ROOT / "bench/results").glob("*.json"):
        report = json.loads(file.read_text())
        is_gpu = report.get("kind") == "gpu"
        key = (is_gpu, report["machine"]["gpu"]["name"] if is_gpu else report["cpu"], report.get("threads", 0))
        if key not in newest or newest[key]["date"] < report["date"]:
            newest[key] = report
    return [newest[key] for key in sorted(newest)]


def main():
    reports = newest_by_machine()
    if not reports:
        sys.exit("table: bench/results/ holds no result; run bench/peers.py first")
    of_cpus = [report for report in reports if report.get("kind") != "gpu"]
    tables = [cpu_table(of_cpus)] if of_cpus else []
    tables += [text for report in reports if report.get("kind") == "gpu" for text in gpu_tables(report)]
    readme = ROOT / "README.md"
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"table: README.md needs the lines {BEGIN.strip()} and {END.strip()}, once each and in this order")
    before, rest = text.split(BEGIN)
    readme.write_text(before + BEGIN + "\n".join(tables) + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
