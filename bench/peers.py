#!/usr/bin/env python3
"""Times emoengine's generator against ONNX Runtime, OpenVINO and PyTorch on the CPU, and checks that all draw the same face.

    cmake --preset release && cmake --build --preset release
    python3 -m venv .venv && .venv/bin/pip install -r bench/requirements.txt
    .venv/bin/python bench/peers.py [--threads 2] [--rounds 9] [--seconds 1] [--widths 64 32]

One picture of 128x128, fp32, six residual blocks, seeded weights. All are held to the same processors and as many threads.
A round runs each engine in turn for --seconds and takes its mean time an image, so that a machine that slows down slows
down all of them; the figure of an engine is the median of its rounds. Prints a table and writes
bench/results/CPU-DATE.json, which bench/table.py turns into the table of the README.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE, BLOCKS = 128, 6
AU_NAMES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
SMILE = {6: 0.75, 12: 1.0, 25: 0.5}
PACKAGES = {"numpy": "numpy", "onnx": "onnx", "onnxruntime": "onnxruntime", "openvino": "openvino", "PIL": "pillow", "torch": "torch"}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: every processor here")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each engine in each round")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 32], help="filters of the first convolution")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    if not 1 <= options.threads <= len(processors):
        sys.exit(f"peers: --threads {options.threads}; this process may use 1 to {len(processors)}")
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"peers: {sys.executable} lacks {', '.join(missing)}; run it with a Python that has bench/requirements.txt")
    for name in ("emoengine", "bench_generator"):
        if not (options.build / "bin" / name).exists():
            sys.exit(f"peers: {options.build}/bin/{name} is not there; build it first, or name the folder with --build")
    os.sched_setaffinity(0, processors[: options.threads])  # before the libraries start their threads; children inherit it
    return options


def make_generator(width):
    """The GANimation generator (Pumarola et al. 2018) with the key names of its authors' code: (face, au) -> face."""
    import torch
    from torch import nn

    def conv(c_in, c_out, k, s, p):
        return [nn.Conv2d(c_in, c_out, k, s, p, bias=False), nn.InstanceNorm2d(c_out, affine=True), nn.ReLU()]

    def deconv(c_in, c_out):
        return [nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False), nn.InstanceNorm2d(c_out, affine=True), nn.ReLU()]

    class ResidualBlock(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.main = nn.Sequential(*conv(c, c, 3, 1, 1), *conv(c, c, 3, 1, 1)[:2])

        def forward(self, x):
            return x + self.main(x)

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            w = width
            down = conv(3 + len(AU_NAMES), w, 7, 1, 3) + conv(w, 2 * w, 4, 2, 1) + conv(2 * w, 4 * w, 4, 2, 1)
            blocks = [ResidualBlock(4 * w) for _ in range(BLOCKS)]
            self.main = nn.Sequential(*down, *blocks, *deconv(4 * w, 2 * w), *deconv(2 * w, w))
            self.img_reg = nn.Sequential(nn.Conv2d(w, 3, 7, 1, 3, bias=False), nn.Tanh())
            self.attetion_reg = nn.Sequential(nn.Conv2d(w, 1, 7, 1, 3, bias=False), nn.Sigmoid())

        def forward(self, face, au):
            planes = au[:, :, None, None].expand(-1, -1, SIZE, SIZE)
            x = self.main(torch.cat([face, planes], 1))
            colour, mask = self.img_reg(x), self.attetion_reg(x)
            return mask * face + (1 - mask) * colour

    torch.manual_seed(0)
    model = Generator().eval()
    for module in model.modules():  # scales and shifts that a mistake would show in
        if isinstance(module, nn.InstanceNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model


def mean_ms(draw, seconds):
    """Mean time of draw() over at least `seconds`, after one call that is not counted; ms."""
    draw()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        draw()
        calls += 1
    return (time.perf_counter() - start) / calls * 1000


def run(*command):
    """Standard output of a command; its own words when it fails."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"peers: {' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


def time_ours(options, width):
    """Mean time an image of bench_generator; ms."""
    name = f"BM_Generator/backend:cpu/precision:fp32/width:{width}/N:1/size:{SIZE}"
    report = run(options.build / "bin/bench_generator", "--benchmark_format=json", f"--benchmark_filter={name}",
                 f"--benchmark_min_time={options.seconds}")
    rows = [row for row in json.loads(report)["benchmarks"] if row["run_type"] == "iteration"]
    if len(rows) != 1:
        sys.exit(f"peers: bench_generator has {len(rows)} benchmarks that match {name}; one is needed")
    return rows[0]["real_time"] * {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}[rows[0]["time_unit"]]


def draw_ours(options, model, pixels, folder):
    """What emoengine draws with the weights of `model`, by way of its converter; (1,3,H,W)."""
    import numpy as np
    import torch
    from PIL import Image

    torch.save(model.state_dict(), folder / "peer.pth")
    Image.fromarray(pixels).save(folder / "face.png")
    emoengine = options.build / "bin/emoengine"
    run(emoengine, "convert", folder / "peer.pth", "-o", folder / "peer.safetensors", "--layout", "albertpumarola")
    run(emoengine, "generate", "--generator", folder / "peer.safetensors", "--image", folder / "face.png", "--crop", "none",
        "--au", ",".join(f"{name}={value}" for name, value in SMILE.items()), "-o", folder / "face.npy", "--backend", "cpu",
        "--precision", "fp32")
    return np.load(folder / "face.npy")


def open_peers(model, face, au, threads, folder):
    """Name -> function without arguments that draws one face, ready to be timed."""
    import onnxruntime
    import openvino
    import torch

    torch.set_num_threads(threads)
    inputs = torch.from_numpy(face), torch.from_numpy(au)
    file = str(folder / "peer.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one, and that instance statistics are the image's own
        torch.onnx.export(model, inputs, file, input_names=["face", "au"], output_names=["out"], opset_version=17, dynamo=False)

    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, session_options, providers=["CPUExecutionProvider"])

    compiled = openvino.Core().compile_model(file, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()

    def draw_torch():
        with torch.inference_mode():
            return model(*inputs).numpy()

    return {
        "onnxruntime": lambda: session.run(None, {"face": face, "au": au})[0],
        "openvino": lambda: request.infer({"face": face, "au": au})[0].copy(),
        "torch": draw_torch,
    }


def measure(options, width):
    """One result a engine for a generator of this width, ours first."""
    import numpy as np

    model = make_generator(width)
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    face = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
    au = np.array([[SMILE.get(name, 0) for name in AU_NAMES]], np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = open_peers(model, face, au, options.threads, folder)
        drawn = {"emoengine": draw_ours(options, model, pixels, folder)}
        drawn |= {peer: draw() for peer, draw in peers.items()}
        difference = {engine: float(np.abs(face - drawn["torch"]).max()) for engine, face in drawn.items()}
        if not difference["emoengine"] <= 1e-4:
            sys.exit(f"peers: emoengine and PyTorch differ by {difference['emoengine']:.1e} at {width} filters; at most 1e-4 is right")
        ms = {engine: [] for engine in drawn}
        for _ in range(options.rounds):
            for engine, times in ms.items():
                time.sleep(0.2)  # the threads of the engine before stop spinning
                times.append(mean_ms(peers[engine], options.seconds) if engine in peers else time_ours(options, width))
    ours = statistics.median(ms["emoengine"])
    return [{
        "width": width,
        "engine": engine,
        "median_ms": round(statistics.median(values), 2),
        "rounds_ms": [round(value, 2) for value in values],
        "times_ours": round(statistics.median(values) / ours, 3),
        "max_difference_from_torch": difference[engine],
    } for engine, values in ms.items()]


def cpu_name():
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def main():
    options = read_options()
    results = [result for width in options.widths for result in measure(options, width)]
    report = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_name(),
        "threads": options.threads,
        "precision": "fp32",
        "size": SIZE,
        "res_blocks": BLOCKS,
        "rounds": options.rounds,
        "seconds_a_round": options.seconds,
        "versions": {"emoengine": run(options.build / "bin/emoengine", "--version").strip(), "python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in PACKAGES.values()},
        "results": results,
    }
    print(f"{report['cpu']}, {options.threads} threads, median of {options.rounds} rounds")
    print(f"{'filters':>7}  {'engine':<12} {'ms':>8} {'x ours':>7}  max difference from PyTorch")
    for row in results:
        print(f"{row['width']:>7}  {row['engine']:<12} {row['median_ms']:>8.2f} {row['times_ours']:>7.2f}"
              f"  {row['max_difference_from_torch']:.1e}")
    file = ROOT / "bench/results" / f"{re.sub('[^a-z0-9]+', '-', report['cpu'].lower()).strip('-')}-{report['date']}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
