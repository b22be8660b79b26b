#!/usr/bin/env python3
"""Times PyTorch, torch.compile and cuDNN on a GPU, on the work of bench_generator, bench_speech and bench_conv.

    python3 bench/peers_gpu.py [--out peers.json] [--limit 150] [--device cpu --quick]

Part of tools/gpu_check.sh, which runs ours just before. The file is rewritten after each row, so that what was measured stays
when time runs out; what was left out is told in it with the reason. `--device cpu --quick` tries all of it in small.

A row of "results": {"work", "engine", "precision", ..., "median_ms", "p99_ms": of a call with its waiting, as our own benchmarks
time it, of a convolution its share of IN_A_ROW; "device_ms": of one of many calls in a row, by the device's clock where there is
one}.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tools/training")]

import torch
from torch import nn

from peers import AU_NAMES, SIZE, make_generator

IN_A_ROW = 20  # as bench_conv's kCalls
PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16"}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("peers.json"))
    parser.add_argument("--limit", type=float, default=150, help="seconds after which nothing new is begun")
    parser.add_argument("--seconds", type=float, default=0.15, help="of each measurement")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="a narrow generator, one image, one second")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("peers_gpu: PyTorch sees no GPU; use --device cpu --quick to try the script itself")
    return options


class Bench:
    """Measures calls and keeps the report."""

    def __init__(self, options):
        self.options, self.device, self.cuda = options, options.device, options.device == "cuda"
        self.start = time.perf_counter()
        self.report = {
            "device": torch.cuda.get_device_name() if self.cuda else "cpu",
            "versions": {"torch": torch.__version__, "cuda": torch.version.cuda,
                         "cudnn": torch.backends.cudnn.version() if self.cuda else None},
            "results": [],
            "left_out": [],
        }
        self.half = torch.float16 if self.cuda else torch.float32  # a CPU's convolutions have no fp16

    def write(self):
        part = self.options.out.with_suffix(".part")
        part.write_text(json.dumps(self.report, indent=1) + "\n")
        part.replace(self.options.out)

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def seconds_of(self, call):
        self.wait()
        start = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - start

    def device_seconds_of(self, call, times):
        """Of so many calls in a row."""
        if not self.cuda:
            return self.seconds_of(call) * times
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(times):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e-3

    def many(self, measure):
        begin, times = time.perf_counter(), []
        while time.perf_counter() - begin < self.options.seconds or len(times) < 5:
            times.append(measure())
        return sorted(times)

    def row(self, prepare, in_call=1, **what):
        """A row for the call that prepare() returns, which does the work `in_call` times; a reason instead when there is no time
        left or it fails."""
        name = ", ".join(f"{key} {value}" for key, value in what.items())
        spent = time.perf_counter() - self.start
        try:
            if spent > self.options.limit:
                raise TimeoutError(f"{spent:.0f} s of {self.options.limit:.0f} s were spent")
            call = prepare()
            for _ in range(3):
                call()
            single = self.many(lambda: self.seconds_of(call) / in_call)
            in_a_row = self.many(lambda: self.device_seconds_of(call, IN_A_ROW // in_call) / IN_A_ROW)
            row = what | {"median_ms": statistics.median(single) * 1e3, "p99_ms": single[int(0.99 * (len(single) - 1))] * 1e3,
                          "device_ms": statistics.median(in_a_row) * 1e3, "began_at_s": round(spent, 1)}
            self.report["results"].append(row)
            print(f"{spent:6.1f} s  {name}: {row['median_ms']:.4f} ms, in a row {row['device_ms']:.4f} ms", flush=True)
        except Exception as error:  # whatever a library throws: the others are to be measured all the same
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.report["left_out"].append(what | {"reason": reason})
            print(f"{spent:6.1f} s  {name}: left out: {reason}", flush=True)
        self.write()

    def captured(self, call, times=1):
        """So many calls as one CUDA graph; on a CPU the calls themselves."""
        def calls():
            for _ in range(times):
                call()
        if not self.cuda:
            return calls
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            calls()

        def replay(inputs=call):  # which live as long as the graph that reads them
            graph.replay()
        return replay


def faces_of(bench, N, dtype):
    torch.manual_seed(N)
    face = torch.rand(N, 3, SIZE, SIZE, device=bench.device) * 2 - 1
    au = torch.rand(N, len(AU_NAMES), device=bench.device)
    return face.to(dtype, memory_format=torch.channels_last), au.to(dtype)


def generators(bench, width):
    """engine -> function of the batch size that prepares a call; all channels-last, image and AUs on the device."""
    model = make_generator(width).to(bench.device, memory_format=torch.channels_last)
    half = make_generator(width).to(bench.device, bench.half, memory_format=torch.channels_last)

    def call_of(drawer, N, dtype):
        inputs = faces_of(bench, N, dtype)
        return lambda: drawer(*inputs)

    def compiled(N, **how):
        torch._dynamo.reset()
        return call_of(torch.compile(half, dynamic=False, **how), N, bench.half)

    def with_copies(N):
        """The CUDA graph of eager, fed from and read back into the host's memory, as Backend::generate is."""
        face, au = faces_of(bench, N, bench.half)
        out = torch.empty_like(face)
        replay = bench.captured(lambda: out.copy_(half(face, au)))
        given = torch.empty(face.shape, dtype=torch.float32, pin_memory=bench.cuda)
        drawn, given_au = torch.empty_like(given, pin_memory=bench.cuda), torch.empty(au.shape, pin_memory=bench.cuda)

        def draw():
            face.copy_(given, non_blocking=True)
            au.copy_(given_au, non_blocking=True)
            replay()
            drawn.copy_(out, non_blocking=True)
        return draw

    autotuned = {"max_autotune": True, "triton.cudagraphs": True, "max_autotune_conv_backends": "ATEN"}
    return {
        "eager fp32": lambda N: call_of(model, N, torch.float32),
        "eager": lambda N: call_of(half, N, bench.half),
        "eager, graph": lambda N: bench.captured(call_of(half, N, bench.half)),
        "eager, graph, host to host": with_copies,
        "cuDNN, fused norm": lambda N: compiled(N, options=autotuned),
        "torch.compile": lambda N: compiled(N),
        "torch.compile, max-autotune": lambda N: compiled(N, mode="max-autotune"),
    }


def measure_generator(bench, engines):
    width, batches = (8, [1]) if bench.options.quick else (64, [1, 64, 8])
    prepared = generators(bench, width)
    for engine in engines:
        for N in batches:
            precision = PRECISIONS[torch.float32 if engine == "eager fp32" else bench.half]
            bench.row(lambda: prepared[engine](N), work="generator", engine=engine, precision=precision, width=width, N=N)


def measure_lstm(bench):
    """One clip of 300 frames with 39 features through two layers."""
    for hidden in (96, 256):
        for dtype in (torch.float32, bench.half):
            def prepare():
                torch.manual_seed(0)
                lstm = nn.LSTM(39, hidden, 2, batch_first=True).to(bench.device, dtype).eval()
                frames = torch.randn(1, 300, 39, device=bench.device, dtype=dtype)
                return lambda: lstm(frames)
            precision = PRECISIONS[dtype]
            bench.row(prepare, work="lstm", engine="cuDNN", precision=precision, hidden=hidden, layers=2, steps=300)
            bench.row(lambda: bench.captured(prepare()), work="lstm", engine="cuDNN, graph", precision=precision, hidden=hidden,
                      layers=2, steps=300)


def measure_mfcc(bench):
    """39 coefficients of 64 bands, as the default speech model has them."""
    seconds = 1 if bench.options.quick else 3
    torch.manual_seed(0)
    pcm = torch.rand(seconds * 16_000, device=bench.device) * 0.4 - 0.2

    def torchaudio_mfcc():
        from torchaudio.transforms import MFCC
        mfcc = MFCC(16_000, 39, melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 64}).to(bench.device)
        return lambda: mfcc(pcm)

    def torch_mfcc():
        from speech_features import dct_matrix, mel_matrix
        mel, dct = mel_matrix(512, 64, 0, 8000).to(bench.device), dct_matrix(64, 39).to(bench.device)
        window = torch.hann_window(400, device=bench.device)

        def mfcc():
            spectrum = torch.stft(pcm, 512, 160, 400, window, center=True, pad_mode="reflect", return_complex=True)
            db = 10 * (spectrum.abs().square().T @ mel).clamp(min=1e-10).log10()
            return torch.maximum(db, db.amax() - 80) @ dct
        return mfcc

    for engine, prepare in {"torchaudio": torchaudio_mfcc, "torch": torch_mfcc}.items():
        bench.row(prepare, work="mfcc", engine=engine, precision="fp32", seconds=seconds)
        bench.row(lambda: bench.captured(prepare()), work="mfcc", engine=f"{engine}, graph", precision="fp32", seconds=seconds)


def measure_convs(bench):
    """cuDNN's best algorithm for every shape of a convolution in the generator, by the names of bench_conv.

    Not for the first and the heads: of these bench_conv times a 7x1 part, beside which the engine has kernels of its own. A
    convolution is shorter than a graph's launch, so IN_A_ROW are in one graph, as bench_conv has them.
    """
    model = make_generator(8 if bench.options.quick else 64).to(bench.device, bench.half, memory_format=torch.channels_last)
    inputs, shapes = {}, set()
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and name != "main.0":
            module.register_forward_hook(lambda _, given, out, name=name: inputs.update({name: given[0].shape[1:]}))
    model.main(torch.zeros(1, 3 + len(AU_NAMES), SIZE, SIZE, device=bench.device, dtype=bench.half))
    modules = dict(model.named_modules())
    for name, shape in inputs.items():
        module = modules[name]
        key = (type(module), tuple(module.weight.shape), tuple(shape))
        if key in shapes:
            continue
        shapes.add(key)
        for N in [1] if bench.options.quick else [1, 8, 64]:
            def prepare():
                # Three in turns, as bench_conv has them: at 64 pictures one would lie in the L2 from call to call.
                turns = itertools.cycle([torch.rand(N, *shape, device=bench.device).to(
                    bench.half, memory_format=torch.channels_last) for _ in range(3)])
                return bench.captured(lambda: module(next(turns)), IN_A_ROW)
            bench.row(prepare, IN_A_ROW, work="conv", engine="cuDNN", precision=PRECISIONS[bench.half], layer=name, N=N)


# What costs seconds first; then the opponents that compile for a minute.
WORKS = {
    "generator": lambda bench: measure_generator(bench, ["eager", "eager, graph", "eager, graph, host to host", "eager fp32"]),
    "lstm": measure_lstm,
    "mfcc": measure_mfcc,
    "convs": measure_convs,
    "compiled": lambda bench: measure_generator(bench, ["torch.compile", "cuDNN, fused norm", "torch.compile, max-autotune"]),
}


def main():
    options = read_options()
    warnings.filterwarnings("ignore")  # of deprecated switches; a failure is told as one
    torch.backends.cudnn.benchmark = True  # the best algorithm for each shape, by trial
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    bench = Bench(options)
    with torch.inference_mode():
        for work in options.works:
            WORKS[work](bench)


if __name__ == "__main__":
    main()
