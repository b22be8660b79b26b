"""Starts `emoengine serve` for a test, and speaks raw HTTP to it."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

PROGRAM = os.environ.get("EMO_PROGRAM", "build/bin/emoengine")
MODEL = ["--lite"]  # three times as fast
SAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "samples")


def sample(name):
    with open(os.path.join(SAMPLES, name), "rb") as file:
        return file.read()


def form(fields):
    """(body, headers) of a form; a field's value is a text or, for a file, bytes."""
    boundary, body = "5f2b9c", b""
    for name, value in fields.items():
        file = '; filename="a"' if isinstance(value, bytes) else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


class Server:
    """A server of its own on a free port; its log is kept as lines. It runs in `folder`, which also is its TMPDIR."""

    def __init__(self, *options, log=None, ready=True, folder=None):
        command = [os.path.abspath(PROGRAM), "serve", "--port", "0", *MODEL, *options]
        environment = {**os.environ, "TMPDIR": folder} if folder else None
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log or subprocess.PIPE, text=True,
                                        cwd=folder, env=environment)
        self.url = self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.lines = []
        if not log:
            threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self):
        end = time.monotonic() + 60
        while self.get("v2/health/ready")[0] != 200:
            assert time.monotonic() < end, "not ready within a minute"
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            assert self.process.returncode == 0, self.process.returncode  # a sanitizer's report is another
        self.process.stdout.close()

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, body), whatever the status."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers, answer.read()

    def get(self, path, **headers):
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post_form(self, path, fields, headers=None):
        body, own = form(fields)
        return self.request("POST", path, body, {**own, **(headers or {})})

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, data, timeout=20):
        """What comes back for these bytes until the server closes."""
        with self.connect(timeout) as client:
            try:
                client.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused while it was still being sent
            return read_all(client)

    def metric(self, name):
        text = self.get("metrics")[2].decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def read_all(client):
    data = b""
    while True:
        try:
            block = client.recv(1 << 16)
        except ConnectionResetError:
            return data
        if not block:
            return data
        data += block


def status_of(answer):
    """Of raw bytes; 0: no answer."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def error_of(body):
    return json.loads(body)["error"]
