#!/usr/bin/env python3
"""Times `emoengine serve` as its clients see it, and compares with the engine's own time on the same machine.

    python3 bench/serve.py [--program build/bin/emoengine] [--seconds 20] [serve's options, for example --lite]

Needs what tests/serve/requirements.txt lists. Prints JSON: see `targets` in it. Clients run in this process, so on a machine
of few processors they take time from the server.
"""

import argparse
import json
import os
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

    def work():
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
    """Answers and refusals a second."""
    counts, lock, end = {}, threading.Lock(), time.monotonic() + seconds

    def work():
        client = Client(server)
        while time.monotonic() < end:
            status = client.infer()
            with lock:
                counts[status] = counts.get(status, 0) + 1

    run_threads(work, clients)
    return counts.get(200, 0) / seconds, counts.get(503, 0) / seconds


def run_threads(work, count):
    threads = [threading.Thread(target=work) for _ in range(count)]
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/bin/emoengine")
    parser.add_argument("--seconds", type=float, default=20)
    arguments, options = parser.parse_known_args()
    tests_server.PROGRAM = arguments.program
    if "--lite" not in options:
        tests_server.MODEL = []
    with tests_server.Server(*[option for option in options if option != "--lite"]) as server:
        one = alone(server, arguments.seconds / 4)
        with connect(server.url.replace("http", "ws") + "v1/session") as socket:
            send(socket, {"type": "hello"})
            engine_ms = receive(socket)[0]["generator_ms"]
        most, _ = throughput(server, 32, arguments.seconds)
        result = {
            "load_average": os.getloadavg()[0],
            "engine_ms": engine_ms,
            "alone": summary(one),
            "throughput_32_clients": round(most, 2),
            "half_load_even": summary(at_rate(server, most / 2, arguments.seconds, False)),
            "half_load_poisson": summary(at_rate(server, most / 2, arguments.seconds, True)),
            "slider_to_picture": summary(slider(server)),
            "voice_to_picture": summary(live(server)),
        }
        overloaded, refused = throughput(server, 256, arguments.seconds)
        result["goodput_256_clients"] = round(overloaded, 2)
        result["refused_256_clients"] = round(refused, 2)
        result["targets"] = {
            "half_load_even.p99_ms": round(1.5 * statistics.median(one), 1),
            "slider_to_picture.median_ms": round(1.2 * engine_ms + 15, 1),
            "voice_to_picture.median_ms": 300,
            "goodput_256_clients": round(0.8 * most, 2),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
