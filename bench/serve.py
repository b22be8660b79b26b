#!/usr/bin/env python3
"""Times `emoengine serve` as its clients see it, and compares with the engine's own time on the same machine.

    python3 bench/serve.py [--program build/bin/emoengine] [--seconds 20] [serve's options, for example --lite]

Needs what tests/serve/requirements.txt lists, and bench_generator beside the program. Prints JSON: see `targets` in it. Clients
run in this process, so on a machine of few processors they take time from the server.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import threading
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests", "serve"))
import server as tests_server  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

JPEG = b"\xff\xd8"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def infer_body():
    """A face for the generator, as tritonclient would send it: (body, headers)."""
    random = np.random.default_rng(1)
    image = random.uniform(-1, 1, (1, 3, 128, 128)).astype(np.float32).tobytes()
    aus = random.uniform(0, 1, (1, 17)).astype(np.float32).tobytes()
    text = json.dumps({
        "inputs": [
            {"name": "image", "datatype": "FP32", "shape": [1, 3, 128, 128], "parameters": {"binary_data_size": len(image)}},
            {"name": "aus", "datatype": "FP32", "shape": [1, 17], "parameters": {"binary_data_size": len(aus)}},
        ],
        "parameters": {"binary_data_output": True},
    }).encode()
    return text + image + aus, {"Inference-Header-Content-Length": str(len(text))}


class Client:
    """A connection that is kept."""

    def __init__(self, server):
        import http.client

        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.body, self.headers = infer_body()

    def infer(self):
        self.connection.request("POST", "/v2/models/generator/infer", self.body, self.headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def alone(server, seconds):
    """ms of requests one after the other."""
    client, times, end = Client(server), [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        assert client.infer() == 200
        times.append(1e3 * (time.monotonic() - start))
    return times


def at_rate(server, rate, seconds, poisson):
    """ms of requests that come at this rate, from when each was due."""
    random = np.random.default_rng(3)
    gaps = random.exponential(1 / rate, int(rate * seconds)) if poisson else np.full(int(rate * seconds), 1 / rate)
    due, times, lock = list(np.cumsum(gaps)), [], threading.Lock()
    start = time.monotonic()

    def work(_):
        client = Client(server)
        while True:
            with lock:
                if not due:
                    return
                at = start + due.pop(0)
            time.sleep(max(0, at - time.monotonic()))
            assert client.infer() == 200
            with lock:
                times.append(1e3 * (time.monotonic() - at))

    run_threads(work, 16)
    return times


def throughput(server, clients, seconds):
    """Answers a second to clients of whom each asks again when it is answered."""
    counts, end = [0] * clients, time.monotonic() + seconds

    def work(i):
        client = Client(server)
        while time.monotonic() < end:
            assert client.infer() == 200
            counts[i] += 1

    run_threads(work, clients)
    return sum(counts) / seconds


class Asking(asyncio.Protocol):
    """A request on a connection of its own; `answered` gets its status and its time in ms."""

    def __init__(self, request, answered):
        self.request, self.answered, self.came, self.wanted = request, answered, bytearray(), None

    def connection_made(self, transport):
        self.start, self.transport = time.monotonic(), transport
        transport.write(self.request)

    def data_received(self, data):
        self.came += data
        if self.wanted is None and (end := self.came.find(b"\r\n\r\n")) >= 0:
            self.wanted = end + 4 + int(re.search(rb"\nContent-Length: (\d+)", self.came)[1])
        if self.wanted == len(self.came):
            self.answered(tests_server.status_of(bytes(self.came[:20])), 1e3 * (time.monotonic() - self.start))
            self.transport.abort()

    def connection_lost(self, error):
        if self.wanted != len(self.came):
            self.answered(0, 0)


def overload(server, rate, seconds):
    """Requests at this rate, whatever comes of them: ({status: [ms]}, how long it lasted, the processor's time here), seconds."""
    body, headers = infer_body()
    head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Host": "localhost", "Content-Length": len(body)}.items())
    request = f"POST /v2/models/generator/infer HTTP/1.1\r\n{head}\r\n".encode() + body
    times = {}

    async def ask():
        loop, tasks, start = asyncio.get_running_loop(), [], time.monotonic()
        count = int(rate * seconds)
        all_answered = asyncio.Event()

        def answered(status, ms):
            times.setdefault(status, []).append(ms)
            if sum(map(len, times.values())) == count:
                all_answered.set()

        for i in range(count):
            await asyncio.sleep(max(0, start + i / rate - time.monotonic()))
            tasks.append(asyncio.create_task(loop.create_connection(lambda: Asking(request, answered), "127.0.0.1", server.port)))
        lasted = time.monotonic() - start
        await all_answered.wait()
        return lasted

    before = time.process_time()
    lasted = asyncio.run(ask())
    return times, lasted, time.process_time() - before


def run_threads(work, count):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def session(server):
    socket = connect(server.url.replace("http", "ws") + "v1/session", max_size=None, compression=None)
    send(socket, {"type": "hello"})
    receive(socket)
    send(socket, {"type": "photo", "id": 1}, tests_server.sample("astronaut.png"))
    assert receive(socket)[0]["type"] == "photo"
    return socket


def send(socket, header, payload=None):
    text = json.dumps(header).encode()
    socket.send(text.decode() if payload is None else struct.pack("<I", len(text)) + text + payload)


def receive(socket):
    message = socket.recv(timeout=60)
    if isinstance(message, str):
        return json.loads(message), b""
    (length,) = struct.unpack("<I", message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def slider(server, count=40):
    """ms from a slider's value to its picture."""
    socket, times = session(server), []
    for i in range(count):
        start = time.monotonic()
        send(socket, {"type": "draw", "id": i, "aus": [i / count] * 17})
        assert receive(socket)[0]["type"] == "picture"
        times.append(1e3 * (time.monotonic() - start))
    socket.close()
    return times


def live(server, seconds=6):
    """ms from when the sound of a row was spoken to its picture; a microphone gives 128 samples at a time."""
    socket, times = session(server), []
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", os.path.join(tests_server.SAMPLES, "happy.flac"), "-ar", "48000", "-ac", "1",
                    "-f", "f32le", "/dev/shm/emoengine-bench.pcm"], check=True)
    pcm = np.fromfile("/dev/shm/emoengine-bench.pcm", np.float32)
    os.remove("/dev/shm/emoengine-bench.pcm")
    pcm = np.tile(pcm, int(np.ceil(seconds * 48000 / len(pcm))))[: seconds * 48000]
    send(socket, {"type": "live", "id": 5, "rate": 48000})
    receive(socket)
    start = time.monotonic()

    def speak():
        for i, block in enumerate(np.split(pcm, len(pcm) // 960)):  # 20 ms
            time.sleep(max(0, start + (i + 1) * 0.02 - time.monotonic()))
            send(socket, {"type": "pcm", "id": 5}, block.tobytes())
        send(socket, {"type": "stop", "id": 6})

    speaker = threading.Thread(target=speak)
    speaker.start()
    while True:
        header, _ = receive(socket)
        if header["type"] == "stopped":
            break
        if header["type"] == "frame":
            times.append(1e3 * (time.monotonic() - start - header["seconds"]))
    speaker.join()
    socket.close()
    return times


def summary(times):
    return {"median_ms": round(statistics.median(times), 1), "p99_ms": round(percentile(times, 0.99), 1), "count": len(times)}


class Generator:
    """bench_generator, as this server draws: with its precision and model, and nothing else."""

    def __init__(self, program, server):
        self.program = os.path.join(os.path.dirname(program), "bench_generator")
        backend = next(json.loads(line)["backend"] for line in server.lines if '"ready"' in line)  # "cpu: AVX-512, fp32, ..."
        self.kind, self.precision = backend.split(":")[0], re.search(r"fp32|tf32|bf16|fp16", backend)[0]
        self.width = 32 if tests_server.MODEL else 64

    def ms(self, batch):
        name = f"BM_Generator/backend:{self.kind}/precision:{self.precision}/width:{self.width}/N:{batch}/"
        command = [self.program, f"--benchmark_filter={name}", "--benchmark_min_time=3", "--benchmark_format=json"]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(ended.stdout)["benchmarks"][0]["real_time"]


def usual_batch(server):
    """In which most faces were drawn, as far as bench_generator knows it."""
    text = server.get("metrics")[2].decode()
    faces = {int(n): int(n) * float(count) for n, count in re.findall(r'^emoengine_batches_total{faces="(\d+)"} (\S+)$', text, re.M)}
    return max(n for n in (1, 8, 64) if n <= max(faces, key=faces.get))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/bin/emoengine")
    parser.add_argument("--seconds", type=float, default=20)
    arguments, options = parser.parse_known_args()
    tests_server.PROGRAM = arguments.program
    if "--lite" not in options:
        tests_server.MODEL = []
    with tests_server.Server(*[option for option in options if option != "--lite"]) as server:
        generator = Generator(arguments.program, server)
        engine_ms = generator.ms(1)
        one = alone(server, arguments.seconds / 4)
        most = throughput(server, 32, arguments.seconds)
        batch = usual_batch(server)
        engine = 1e3 * batch / generator.ms(batch)
        result = {
            "load_average": os.getloadavg()[0],
            "engine_ms": round(engine_ms, 1),
            "alone": summary(one),
            "throughput_32_clients": round(most, 2),
            f"bench_generator_batch_{batch}": round(engine, 2),
            "throughput_over_bench_generator": round(most / engine, 3),
            "half_load_even": summary(at_rate(server, most / 2, arguments.seconds, False)),
            "half_load_poisson": summary(at_rate(server, most / 2, arguments.seconds, True)),
            "slider_to_picture": summary(slider(server)),
            "voice_to_picture": summary(live(server)),
        }
        times, lasted, client_s = overload(server, 10 * most, arguments.seconds)
        assert set(times) <= {200, 503}, times.keys()
        result["overload"] = {
            "asked_per_s": round(10 * most, 1),
            "goodput_per_s": round(len(times[200]) / lasted, 2),
            "goodput_over_peak": round(len(times[200]) / lasted / most, 3),
            "refused": summary(times[503]),
            "processors_for_the_client": round(client_s / lasted, 2),
        }
        result["targets"] = {
            "throughput_over_bench_generator": 0.95,
            "half_load_even.p99_ms": round(1.5 * engine_ms, 1),
            "slider_to_picture.median_ms": round(1.2 * engine_ms + 15, 1),
            "voice_to_picture.median_ms": 300,
            "overload.goodput_over_peak": 0.8,
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
