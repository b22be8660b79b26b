#!/usr/bin/env python3
"""What `emoengine serve` promises to clients, checked by clients of others' making. EMO_PROGRAM: the program.

    python3 tests/serve/serve_test.py [Class[.test]]     needs what requirements.txt lists
"""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np
import tritonclient.http as triton
from websockets.sync.client import connect as websocket

from server import Server, error_of, form, read_all, sample, status_of

PHOTO, VOICE = sample("astronaut.png"), sample("happy.flac")
SMILE = '{"AU06": 0.8, "AU12": 1}'


class WithServer(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(*cls.options))


class Forms(WithServer):
    """What curl -F sends."""

    def test_run_gives_the_photo_as_png_and_says_how_it_was_made(self):
        status, headers, body = self.server.post_form("v1/run", {"image": PHOTO, "audio": VOICE})
        self.assertEqual((status, headers["Content-Type"]), (200, "image/png"))
        self.assertEqual(struct.unpack(">II", body[16:24]), (512, 512))
        self.assertIn(b"compositeWithTrainedAlgorithmicMedia", body)

    def test_generate_draws_what_the_command_line_draws(self):
        for fields, options in (({}, []), ({"relative": "on", "detail": "network"}, ["--relative", "--detail", "network"])):
            status, _, body = self.server.post_form("v1/generate", {"image": PHOTO, "aus": SMILE, **fields})
            self.assertEqual(status, 200)
            with tempfile.TemporaryDirectory() as folder:
                out = os.path.join(folder, "out.png")
                command = [self.server.process.args[0], "generate", "--lite", "--quiet", "--image", "samples/astronaut.png"]
                subprocess.run([*command, "--au", "6=0.8,12=1", *options, "-o", out], check=True)
                with open(out, "rb") as file:
                    self.assertEqual(without_text(body), file.read())

    def test_aus_gives_json_and_csv(self):
        status, _, body = self.server.post_form("v1/aus", {"audio": VOICE, "fps": "10"})
        answer = json.loads(body)
        self.assertEqual((status, answer["emotion"]), (200, "happiness"))
        self.assertEqual(len(answer["rows"]), int(np.ceil(answer["seconds"] * 10)))
        self.assertEqual(len(answer["rows"][0]), len(answer["au_names"]))
        status, headers, body = self.server.post_form("v1/aus", {"audio": VOICE, "fps": "10"}, {"Accept": "text/csv"})
        self.assertEqual((status, headers["Content-Type"]), (200, "text/csv"))
        self.assertEqual(len(body.splitlines()), 1 + len(answer["rows"]))

    def test_animate_streams_a_video_with_sound_and_disclosure(self):
        status, headers, body = self.server.post_form("v1/animate", {"image": PHOTO, "audio": VOICE, "fps": "10"})
        self.assertEqual((status, headers["Content-Type"], headers["Transfer-Encoding"]), (200, "video/mp4", "chunked"))
        self.assertIn(b"compositeWithTrainedAlgorithmicMedia", body)
        self.assertGreater(body.count(b"moof"), 1)
        self.assertEqual(streams_of(body), ["video", "audio"])

    def test_animate_follows_a_curve_into_a_gif(self):
        rows = [[0.0] * 17, [1.0] * 17] * 5
        fields = {"image": PHOTO, "curve": json.dumps({"fps": 10, "rows": rows}), "fps": "10", "format": "gif"}
        status, headers, body = self.server.post_form("v1/animate", fields)
        self.assertEqual((status, headers["Content-Type"]), (200, "image/gif"))
        self.assertIn(b"XMP DataXMP", body)
        self.assertEqual(streams_of(body), ["video"])

    def test_errors_say_what_came_and_what_is_needed(self):
        noise = b"no picture at all, this is"
        cases = [
            ({"audio": VOICE}, 400, "`image`: the field is missing; send it as in curl -F image=@FILE"),
            ({"image": b"", "audio": VOICE}, 400, "`image`: came empty; a file with contents is needed"),
            ({"image": noise, "audio": VOICE}, 400, "`image`: is a text file; JPEG, PNG"),
            ({"image": PHOTO, "audio": noise}, 400, "`audio`: is a text file; WAV, FLAC"),
            ({"image": PHOTO[:9000], "audio": VOICE}, 400, "`image`: "),
            ({"image": PHOTO, "audio": VOICE, "face": "3"}, 400, "`face`: '3' came; largest, all or an index from 0 to 0"),
            ({"image": PHOTO, "audio": VOICE, "passes": "nan"}, 400, "`passes`: 'nan' came; a number from 1 to 8 is needed"),
            ({"image": PHOTO, "audio": VOICE, "relative": "yes"}, 400, "`relative`: 'yes' came; on or off is needed"),
            ({"image": PHOTO, "audio": VOICE, "file": "/etc/passwd"}, 400, "form: `file` is no field of this request"),
        ]
        for fields, status, text in cases:
            with self.subTest(text):
                came, _, body = self.server.post_form("v1/run", fields)
                self.assertEqual(came, status)
                self.assertTrue(error_of(body).startswith(text), body)
                self.assertNotIn(b"/proc/", body)
        status, _, body = self.server.request("POST", "v1/run", b"{}", {"Content-Type": "application/json"})
        self.assertEqual(status, 415, body)
        status, _, body = self.server.post_form("v1/generate", {"image": PHOTO, "aus": '{"AU99": 1}'})
        self.assertEqual(status, 400, body)

    def test_paths_and_methods_that_there_are_not(self):
        status, _, body = self.server.get("v1/nothing")
        self.assertEqual((status, error_of(body)), (404, "path: /v1/nothing is none of this server's; see openapi.json"))
        status, headers, _ = self.server.get("v1/run")
        self.assertEqual((status, headers["Allow"]), (405, "POST"))
        self.assertEqual(self.server.get("page/..%2fmain.cc")[0], 404)

    def test_the_page_comes_with_its_policy_and_is_not_sent_twice(self):
        status, headers, body = self.server.get("")
        self.assertEqual(status, 200)
        self.assertIn(b"<html", body)
        self.assertIn("default-src 'self'", headers["Content-Security-Policy"])
        self.assertEqual(self.server.get("", If_None_Match=headers["ETag"])[0], 304)


class Description(WithServer):
    """openapi.json."""

    def test_the_server_answers_as_it_is_described(self):
        command = [sys.executable, "-m", "schemathesis.cli", "run", self.server.url + "openapi.json", "--url", self.server.url,
                   "--phases", "coverage,fuzzing", "--max-examples", os.environ.get("EMO_SCHEMA_EXAMPLES", "10"),
                   "--generation-deterministic", "--warnings", "off", "--no-color",
                   "--exclude-checks", "positive_data_acceptance"]  # any text is a file in its eyes
        with tempfile.TemporaryDirectory() as folder:
            ended = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(ended.returncode, 0, ended.stdout[-8000:])

    def test_a_session_without_a_websocket_is_told(self):
        status, headers, body = self.server.get("v1/session")
        self.assertEqual((status, headers["Upgrade"]), (426, "websocket"))
        self.assertIn("'Upgrade: websocket' is needed", error_of(body))


class Triton(WithServer):
    """tritonclient, as it comes from PyPI."""

    def setUp(self):
        self.client = triton.InferenceServerClient(f"127.0.0.1:{self.server.port}")
        self.addCleanup(self.client.close)

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertIn("binary_tensor_data", self.client.get_server_metadata()["extensions"])
        for model in ("generator", "speech", "emoengine"):
            self.assertTrue(self.client.is_model_ready(model))
            self.assertEqual(self.client.get_model_metadata(model)["name"], model)
            self.assertIn("max_batch_size", self.client.get_model_config(model))
        self.assertEqual(len(self.client.get_model_repository_index()), 3)
        self.assertFalse(self.client.is_model_ready("other"))

    def tensors(self, faces=2, binary=True):
        random = np.random.default_rng(1)
        image = triton.InferInput("image", [faces, 3, 128, 128], "FP32")
        image.set_data_from_numpy(random.uniform(-1, 1, (faces, 3, 128, 128)).astype(np.float32), binary_data=binary)
        aus = triton.InferInput("aus", [faces, 17], "FP32")
        aus.set_data_from_numpy(random.uniform(0, 1, (faces, 17)).astype(np.float32), binary_data=binary)
        return [image, aus]

    def test_generator_gives_the_same_in_json_binary_and_compressed(self):
        plain = self.client.infer("generator", self.tensors()).as_numpy("face")
        self.assertEqual(plain.shape, (2, 3, 128, 128))
        self.assertLessEqual(np.abs(plain).max(), 1)
        wanted = [triton.InferRequestedOutput("face", binary_data=False)]
        json_answer = self.client.infer("generator", self.tensors(binary=False), outputs=wanted, request_id="seven")
        self.assertEqual(json_answer.get_response()["id"], "seven")
        np.testing.assert_array_equal(json_answer.as_numpy("face"), plain)
        for way in ("gzip", "deflate"):
            packed = self.client.infer("generator", self.tensors(), request_compression_algorithm=way)
            np.testing.assert_array_equal(packed.as_numpy("face"), plain)

    def test_a_face_is_the_same_alone_and_in_a_batch(self):
        both = self.client.infer("generator", self.tensors(2)).as_numpy("face")
        one = self.client.infer("generator", self.tensors(3)).as_numpy("face")
        self.assertEqual(one.shape[0], 3)
        image, aus = self.tensors(2)
        first = triton.InferInput("image", [1, 3, 128, 128], "FP32")
        first.set_data_from_numpy(np.random.default_rng(1).uniform(-1, 1, (2, 3, 128, 128)).astype(np.float32)[:1])
        row = triton.InferInput("aus", [1, 17], "FP32")
        random = np.random.default_rng(1)
        random.uniform(-1, 1, (2, 3, 128, 128))
        row.set_data_from_numpy(random.uniform(0, 1, (2, 17)).astype(np.float32)[:1])
        alone = self.client.infer("generator", [first, row]).as_numpy("face")
        np.testing.assert_array_equal(alone[0], both[0])

    def test_speech_and_cascade(self):
        pcm = triton.InferInput("pcm", [16000], "FP32")
        pcm.set_data_from_numpy((0.1 * np.sin(np.arange(16000) * 0.1)).astype(np.float32))
        self.assertEqual(self.client.infer("speech", [pcm]).as_numpy("aus").shape, (17,))
        answer = self.client.infer("emoengine", [self.tensors(1)[0], pcm])
        self.assertEqual(answer.as_numpy("face").shape, (1, 3, 128, 128))
        self.assertEqual(answer.as_numpy("aus").shape, (17,))

    def test_statistics_count_inferences(self):
        before = self.client.get_inference_statistics("generator")["model_stats"][0]["inference_count"]
        self.client.infer("generator", self.tensors(2))
        after = self.client.get_inference_statistics("generator")["model_stats"][0]
        self.assertEqual(after["inference_count"], before + 2)
        self.assertGreater(after["inference_stats"]["success"]["ns"], 0)

    def test_errors_come_as_the_client_expects_them(self):
        with self.assertRaisesRegex(triton.InferenceServerException, "input 'aus' is missing"):
            self.client.infer("generator", self.tensors()[:1])
        wrong = triton.InferInput("image", [1, 3, 64, 64], "FP32")
        wrong.set_data_from_numpy(np.zeros((1, 3, 64, 64), np.float32))
        with self.assertRaisesRegex(triton.InferenceServerException, r"shape \[1,3,64,64\] came; \[-1,3,128,128\] is needed"):
            self.client.infer("generator", [wrong, self.tensors(1)[1]])
        with self.assertRaisesRegex(triton.InferenceServerException, "model: 'other' is none"):
            self.client.infer("other", self.tensors())


class Sessions(WithServer):
    """The page's WebSocket."""

    def setUp(self):
        self.socket = websocket(self.server.url.replace("http", "ws") + "v1/session", max_size=None, compression=None)
        self.addCleanup(self.socket.close)

    def send(self, header, payload=None):
        text = json.dumps(header)
        if payload is None:
            return self.socket.send(text)
        self.socket.send(struct.pack("<I", len(text)) + text.encode() + payload)

    def receive(self):
        """(header, payload)"""
        message = self.socket.recv(timeout=30)
        if isinstance(message, str):
            return json.loads(message), b""
        (length,) = struct.unpack("<I", message[:4])
        return json.loads(message[4 : 4 + length]), message[4 + length :]

    def greet(self):
        self.send({"type": "hello"})
        ready, _ = self.receive()
        self.assertEqual(ready["type"], "ready")
        return ready

    def photo(self):
        self.send({"type": "photo", "id": 1}, PHOTO)
        answer, _ = self.receive()
        self.assertEqual((answer["type"], answer["width"], len(answer["faces"])), ("photo", 512, 1))
        return answer

    def test_first_message_is_hello(self):
        self.send({"type": "draw", "id": 1})
        self.assertIn("the first message is to be", self.receive()[0]["error"])

    def test_photo_voice_and_draw(self):
        ready = self.greet()
        self.assertEqual((len(ready["au_names"]), len(ready["emotions"]), ready["image_size"]), (17, 6, 128))
        self.photo()
        self.send({"type": "voice", "id": 2, "name": "happy.flac"}, VOICE)
        voice, _ = self.receive()
        self.assertEqual((voice["type"], voice["emotion"], len(voice["waveform"])), ("voice", "happiness", 1000))
        self.send({"type": "draw", "id": 3, "aus": ready["emotions"]["happiness"]})
        header, picture = self.receive()
        self.assertEqual((header["type"], header["id"], picture[:2]), ("picture", 3, b"\xff\xd8"))
        self.send({"type": "draw", "id": 4, "aus": ready["emotions"]["happiness"], "format": "png", "whole": True})
        header, picture = self.receive()
        self.assertEqual(struct.unpack(">II", picture[16:24]), (512, 512))
        self.assertNotIn("crop", header)

    def test_every_draw_is_answered_once_and_the_newest_is_drawn(self):
        self.greet()
        self.photo()
        for i in range(30):
            self.send({"type": "draw", "id": i, "aus": [i / 30] * 17})
        answers = [self.receive()[0] for _ in range(30)]
        self.assertEqual(sorted(answer["id"] for answer in answers), list(range(30)))
        self.assertLessEqual({answer["type"] for answer in answers}, {"picture", "cancelled"})
        self.assertEqual(next(answer["type"] for answer in answers if answer["id"] == 29), "picture")

    def test_a_face_before_a_camera_drives_the_photo(self):
        ready = self.greet()
        self.photo()
        _, _, surprised = self.server.post_form("v1/generate", {"image": PHOTO, "aus": json.dumps({"AU26": 1, "AU01": 1, "AU02": 1})})
        seen = []
        for picture in (PHOTO, PHOTO, surprised, surprised, bmp(np.zeros((200, 200, 3), np.uint8))):
            self.send({"type": "drive", "id": 5, "begin": not seen}, picture)
            seen.append(self.receive())
        self.assertEqual([header["type"] for header, _ in seen], ["frame"] * 4 + ["nobody"])
        raised = [header["aus"][ready["au_names"].index("AU01")] for header, _ in seen[:4]]
        self.assertEqual(raised[0], 0)
        self.assertGreater(raised[3], 0.2)
        self.assertEqual(seen[3][1][:3], b"\xff\xd8\xff")
        self.send({"type": "drive", "id": 6})
        self.assertIn("`image`: came empty", self.receive()[0]["error"])

    def test_live_voice_moves_the_face(self):
        self.greet()
        self.photo()
        self.send({"type": "live", "id": 5, "rate": 48000})
        self.assertEqual(self.receive()[0]["type"], "live")
        second = (0.2 * np.sin(np.arange(48000) * 0.05)).astype(np.float32)
        for block in np.split(second, 10):
            self.send({"type": "pcm", "id": 5}, block.tobytes())
        header, picture = self.receive()
        while header["type"] == "row":
            header, picture = self.receive()
        self.assertEqual((header["type"], picture[:2]), ("frame", b"\xff\xd8"))
        self.send({"type": "stop", "id": 6})
        while header["type"] != "stopped":
            header, _ = self.receive()

    def test_a_photo_without_a_face_says_so(self):
        self.greet()
        grey = np.full((200, 200, 3), 128, np.uint8)
        self.send({"type": "photo", "id": 1}, bmp(grey))
        answer, _ = self.receive()
        self.assertEqual((answer["type"], answer["width"]), ("error", 200))
        self.assertTrue(answer["error"].startswith("No face was found in 200x200 px, tried at 1x"))

    def test_a_turned_face_is_found_and_drawn(self):
        self.greet()
        command = ["ffmpeg", "-v", "error", "-i", "-", "-vf", "rotate=0.7:ow=rotw(0.7):oh=roth(0.7)", "-f", "image2", "-c:v", "png", "-"]
        turned = subprocess.run(command, input=PHOTO, capture_output=True, check=True).stdout
        self.send({"type": "photo", "id": 1}, turned)
        photo = self.receive()[0]
        (face,) = photo["faces"]
        self.assertAlmostEqual(face["roll"], 0.7, delta=0.2)
        self.send({"type": "draw", "id": 2, "aus": [0.5] * 17})
        header, picture = self.receive()
        self.assertEqual(picture[:2], b"\xff\xd8")
        upright = face["crop"][2] * (np.cos(face["roll"]) + np.sin(face["roll"]))  # the side of the square that holds the turned one
        middle, reach = np.array(face["crop"][:2]) + face["crop"][2] / 2, 1.6 * upright / 2
        first, last = np.maximum(middle - reach, 0), np.minimum(middle + reach, (photo["width"], photo["height"]))
        for came, wanted in zip(header["crop"], (*first, *(last - first))):
            self.assertAlmostEqual(came, wanted, delta=4)  # a pixel more on each side, and whole ones

    def test_nonsense_is_refused_and_the_session_goes_on(self):
        self.greet()
        for message in (b"", b"\xff\xff\xff\xff", b"\x02\0\0\0{}", b"\x01\0\0\0["):
            self.socket.send(message)
            self.assertEqual(self.receive()[0]["type"], "error")
        for text in ("", "[]", '{"type":7}', '{"type":"draw","id":9,"aus":[1]}', "[" * 1000, '{"type":"face","id":1,"index":-1}'):
            self.socket.send(text)
            self.assertEqual(self.receive()[0]["type"], "error")
        self.photo()

    def test_another_sites_page_is_refused(self):
        with self.assertRaisesRegex(Exception, "403"):
            websocket(self.server.url.replace("http", "ws") + "v1/session", origin="https://elsewhere.example")


class Keys(WithServer):
    key = "0123456789abcdef"

    @classmethod
    def setUpClass(cls):
        file = cls.enterClassContext(tempfile.NamedTemporaryFile("w"))
        file.write(f"another-key-of-somebody\n{cls.key}\n")
        file.flush()
        cls.options = ("--api-key-file", file.name, "--allowed-origin", "https://friend.example")
        super().setUpClass()

    def test_key_opens(self):
        self.assertEqual(self.server.get("v2/models/generator")[0], 401)
        self.assertEqual(self.server.get("v2/models/generator", Authorization="Bearer wrong")[0], 401)
        self.assertEqual(self.server.get("v2/models/generator", Authorization=f"Bearer {self.key}")[0], 200)
        self.assertEqual(self.server.get("metrics")[0], 401)

    def test_health_and_page_need_none(self):
        for path in ("v2/health/live", "v2/health/ready", "", "openapi.json"):
            self.assertEqual(self.server.get(path)[0], 200)

    def test_session_sends_it_first(self):
        for key, kind in ((self.key, "ready"), ("wrong", "error")):
            with websocket(self.server.url.replace("http", "ws") + "v1/session") as socket:
                socket.send(json.dumps({"type": "hello", "key": key}))
                self.assertEqual(json.loads(socket.recv(timeout=10))["type"], kind)

    def test_foreign_hosts_and_origins_are_refused(self):
        self.assertEqual(self.server.get("", Host="evil.example")[0], 403)
        self.assertEqual(self.server.get("", Origin="https://evil.example")[0], 403)
        status, headers, _ = self.server.get("", Origin="https://friend.example")
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://friend.example"))
        status, headers, _ = self.server.request("OPTIONS", "v1/run", headers={"Origin": "https://friend.example"})
        self.assertEqual((status, "POST" in headers["Access-Control-Allow-Methods"]), (204, True))


class Hostile(WithServer):
    options = ("--timeout-ms", "4000", "--max-connections", "40")

    def tearDown(self):
        self.assertEqual(self.server.get("v2/health/live")[0], 200)

    def test_requests_that_are_none(self):
        head = b"POST /v1/run HTTP/1.1\r\nHost: localhost\r\n"
        form = head + b"Content-Type: multipart/form-data; boundary=b\r\n"
        cases = {
            b"\x16\x03\x01\x02\0 TLS\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\n\r\n": 403,
            b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
            b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n": 431,
            head + b"Content-Length: 99999999999\r\n\r\n": 413,
            head + b"Content-Length: -1\r\n\r\n": 400,
            head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
            form + b"Content-Length: 3\r\nConnection: close\r\n\r\n--b": 400,
            form + b"Content-Length: 5\r\nConnection: close\r\n\r\n--b--": 400,
            form + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n--b--\r\n0\r\n\r\n": 400,
        }
        for data, status in cases.items():
            with self.subTest(data[:60]):
                self.assertEqual(status_of(self.server.raw(data)), status)

    def test_a_body_that_never_ends_is_cut_at_the_limit(self):
        endless = b"POST /v1/run HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"a" * (1 << 20) + b"\r\n") * 70
        with Server() as patient:  # 64 MiB may take longer than this class's 4 s
            self.assertEqual(status_of(patient.raw(endless, timeout=90)), 413)

    def test_a_slow_body_ends_with_the_request_s_time(self):
        with self.server.connect() as client:
            client.sendall(b"POST /v1/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
            start = time.monotonic()
            answer = read_all(client)
            self.assertEqual(status_of(answer), 408)
            self.assertLess(time.monotonic() - start, 8)

    def test_slow_heads_make_room_for_others(self):
        clients = [self.server.connect() for _ in range(200)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n")
        start = time.monotonic()
        self.assertEqual(self.server.get("v2/health/live")[0], 200)
        self.assertLess(time.monotonic() - start, 2)
        for client in clients:
            client.close()

    def test_tensors_that_do_not_fit(self):
        def infer(request, tail=b"", length=None):
            body = (request if isinstance(request, bytes) else json.dumps(request).encode()) + tail
            headers = {"Inference-Header-Content-Length": str(len(body) - len(tail) if length is None else length)}
            return self.server.request("POST", "v2/models/generator/infer", body, headers)[0]

        image = {"name": "image", "datatype": "FP32", "shape": [1, 3, 128, 128], "parameters": {"binary_data_size": 196608}}
        self.assertEqual(infer({"inputs": [image]}), 400)
        self.assertEqual(infer({"inputs": [image]}, b"\0" * 196609), 400)
        self.assertEqual(infer({"inputs": [image, image]}, b"\0" * 393216), 400)
        for shape in ([-1, 3, 128, 128], [2**62, 4], [2**64, 1], [1.5], [[1]], "x", [1] * 20):
            self.assertEqual(infer({"inputs": [dict(image, shape=shape)]}), 400, shape)
        for size in (-1, 2**63, "4", None, 1.5):
            self.assertEqual(infer({"inputs": [dict(image, parameters={"binary_data_size": size})]}), 400, size)
        self.assertEqual(infer(b"[" * 100000), 400)
        self.assertEqual(infer(b'{"inputs":[' + b"{}," * 1000 + b"{}]}"), 400)
        self.assertEqual(infer({"inputs": []}, length=10**20), 400)
        self.assertEqual(infer({"inputs": [dict(image, parameters={"shared_memory_region": "a"})]}), 400)

    def test_a_small_body_that_inflates_without_end_is_cut(self):
        import gzip

        bomb = gzip.compress(b" " * (200 << 20), 9)
        status, _, _ = self.server.request("POST", "v2/models/generator/infer", bomb, {"Content-Encoding": "gzip"})
        self.assertEqual(status, 413)

    def test_ten_thousand_hostile_requests(self):
        random = np.random.default_rng(7)
        seeds = [
            b"GET /v2/models/generator HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            b"POST /v2/models/generator/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\nConnection: close\r\n\r\n" b'{"inputs":[]}',
            b"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b'Content-Length: 70\r\nConnection: close\r\n\r\n--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nabcdefg\r\n--b--\r\n',
        ]
        answered = 0
        count = int(os.environ.get("EMO_HOSTILE_REQUESTS", "10000"))
        for i in range(count):
            data = bytearray(seeds[i % len(seeds)])
            for _ in range(int(random.integers(1, 6))):
                data[int(random.integers(len(data)))] = int(random.integers(256))
            with self.server.connect() as client:
                client.sendall(data[: int(random.integers(20, len(data) + 1))])
                client.shutdown(socket.SHUT_WR)
                answered += status_of(read_all(client)) > 0
        self.assertGreater(answered, count // 4)  # of the others the end was cut off


class Load(WithServer):
    options = ("--max-queue", "8", "--timeout-ms", "20000")

    def test_overload_is_refused_at_once_and_every_request_is_answered(self):
        refused_after, statuses, lock = [], [], threading.Lock()

        def ask():
            start = time.monotonic()
            status, headers, _ = self.server.post_form("v1/generate", {"image": PHOTO, "aus": SMILE})
            with lock:
                statuses.append(status)
                if status == 503:
                    refused_after.append(time.monotonic() - start)
                    assert headers["Retry-After"]

        threads = [threading.Thread(target=ask) for _ in range(80)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(statuses), 80)
        self.assertEqual(set(statuses), {200, 503})
        self.assertGreaterEqual(statuses.count(200), 8)
        self.assertLess(sorted(refused_after)[len(refused_after) // 2], 2)

    def test_work_of_a_client_that_left_is_cancelled(self):
        fields = {"image": PHOTO, "curve": json.dumps({"fps": 25, "rows": [[0.5] * 17] * 10000}), "fps": "25"}
        with self.server.connect() as client:
            body = b"".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n'.encode() + (v if isinstance(v, bytes) else v.encode()) + b"\r\n" for k, v in fields.items())
            body += b"--b--\r\n"
            client.sendall(b"POST /v1/animate HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n" + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
        time.sleep(1)
        done = self.server.metric("emoengine_faces_total")
        time.sleep(1)
        self.assertLessEqual(self.server.metric("emoengine_faces_total") - done, 1)
        self.assertEqual(self.server.metric("emoengine_requests_in_flight"), 0)

    def test_one_client_s_excess_gets_429(self):
        with Server("--max-per-client", "2") as server:
            statuses = []
            threads = [
                threading.Thread(target=lambda: statuses.append(server.post_form("v1/generate", {"image": PHOTO, "aus": SMILE})[0]))
                for _ in range(12)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertLessEqual(set(statuses), {200, 429})


class Nginx:
    """nginx with the lines that docs/serve.md shows, before these servers; its certificate is its own."""

    HOST = "face.example.org"

    def __init__(self, folder, *servers):
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "serve.md")) as file:
            lines = re.search(r"```nginx\n(.*?)```", file.read(), re.S)[1]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        for shown, own in [("8080", servers[0].port), ("8081", servers[1].port), ("listen 443", f"listen 127.0.0.1:{self.port}")]:
            assert lines.count(shown) == 1, shown
            lines = lines.replace(shown, str(own))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "face.key", "-out", "face.pem", "-days", "2",
                        "-subj", f"/CN={self.HOST}", "-addext", f"subjectAltName=DNS:{self.HOST}"], cwd=folder, check=True, capture_output=True)
        places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(folder, "nginx.conf"), "w") as file:
            user = "user root;" if os.geteuid() == 0 else ""
            file.write(f"{user} daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} http {{ access_log off; {places} {lines} }}")
        self.tls = ssl.create_default_context(cafile=os.path.join(folder, "face.pem"))
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", file.name], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not self.listens():
            assert time.monotonic() < end, "nginx does not listen"
            time.sleep(0.05)

    def listens(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection(self.HOST, self.port)
        connection.sock = self.tls.wrap_socket(self.connect(), server_hostname=self.HOST)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
        connection.close()
        return status, body


class Balanced(unittest.TestCase):
    def test_one_of_two_instances_behind_nginx_may_be_killed(self):
        body, headers = form({"image": PHOTO, "aus": SMILE})
        statuses, lock = [], threading.Lock()
        over = threading.Event()

        def ask(nginx):
            while not over.is_set():
                status, _ = nginx.request("POST", "/v1/generate", body, headers)
                with lock:
                    statuses.append(status)

        def wait_for_more(count):
            end, wanted = time.monotonic() + 60, len(statuses) + count
            while len(statuses) < wanted and time.monotonic() < end:
                time.sleep(0.05)
            self.assertGreaterEqual(len(statuses), wanted)

        with tempfile.TemporaryDirectory() as folder, Server("--allowed-host", Nginx.HOST) as one, Server("--allowed-host", Nginx.HOST) as other:
            nginx = Nginx(folder, one, other)
            self.addCleanup(nginx.close)
            with websocket(f"wss://{Nginx.HOST}:{nginx.port}/v1/session", sock=nginx.connect(), ssl=nginx.tls) as session:
                session.send('{"type": "hello"}')
                self.assertEqual(json.loads(session.recv(timeout=10))["type"], "ready")
            threads = [threading.Thread(target=ask, args=(nginx,), daemon=True) for _ in range(4)]
            for thread in threads:
                thread.start()
            wait_for_more(20)
            for server in (one, other):
                self.assertGreater(server.metric("emoengine_requests_total"), 5)
            one.process.kill()
            wait_for_more(20)
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(set(statuses), {200})


class Life(unittest.TestCase):
    def test_live_at_once_ready_when_the_models_are_open(self):
        with Server(ready=False) as server:
            self.assertEqual(server.get("v2/health/live")[0], 200)
            self.assertIn(server.get("v2/health/ready")[0], (200, 503))
            server.wait_until_ready()

    def test_sigterm_answers_what_was_asked_and_then_ends(self):
        with Server() as server:
            answers = []
            fields = {"image": PHOTO, "audio": VOICE}
            thread = threading.Thread(target=lambda: answers.append(server.post_form("v1/animate", fields)))
            thread.start()
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            self.assertEqual(server.get("v2/health/ready")[0], 503)
            self.assertEqual(server.get("v2/health/live")[0], 200)
            thread.join()
            self.assertEqual((answers[0][0], streams_of(answers[0][2])), (200, ["video", "audio"]))
            self.assertEqual(server.process.wait(30), 0)

    def test_a_second_signal_ends_it(self):
        with Server() as server:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(3), 128 + signal.SIGTERM)

    def test_killed_amid_work_it_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as folder, Server(folder=folder) as server:
            thread = threading.Thread(target=lambda: self.assertRaises(Exception, server.post_form, "v1/animate", {"image": PHOTO, "audio": VOICE}))
            thread.start()
            time.sleep(0.7)
            server.process.kill()
            thread.join()
            server.process.wait()
            self.assertEqual(os.listdir(folder), [])

    def test_a_stuck_log_reader_blocks_nothing(self):
        reader, writer = os.pipe()
        with Server(log=writer) as server:
            for _ in range(1500):
                self.assertEqual(server.get("v2/health/live")[0], 200)
            self.assertGreater(server.metric("emoengine_log_lines_left_out_total"), 0)
        os.close(reader)
        os.close(writer)

    def test_log_lines_are_json_with_the_request_s_id(self):
        with Server() as server:
            server.get("v2/models/speech", X_Request_Id="mine-1")
            time.sleep(0.3)
        lines = [json.loads(line) for line in server.lines]
        self.assertTrue(any(line.get("id") == "mine-1" and line["status"] == 200 for line in lines))

    def test_a_busy_port_is_said(self):
        with Server() as server:
            command = [server.process.args[0], "serve", "--port", str(server.port)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, 3)
            self.assertIn("cannot listen there: Address already in use", ended.stderr)

    def test_soak(self):
        seconds = float(os.environ.get("EMO_SOAK_SECONDS", "60"))
        with Server() as server:
            start, resident, descriptors = time.monotonic(), 0, 0
            while time.monotonic() < start + seconds:
                self.assertEqual(server.post_form("v1/generate", {"image": PHOTO, "aus": SMILE})[0], 200)
                self.assertEqual(server.post_form("v1/aus", {"audio": VOICE})[0], 200)
                self.assertEqual(server.post_form("v1/run", {"image": b"nothing", "audio": VOICE})[0], 400)
                rows = json.dumps({"fps": 10, "rows": [[0.0] * 17, [1.0] * 17] * 2})
                self.assertEqual(server.post_form("v1/animate", {"image": PHOTO, "audio": VOICE, "curve": rows, "fps": "2"})[0], 200)
                with websocket(server.url.replace("http", "ws") + "v1/session", max_size=None, compression=None) as session:
                    for header in ({"type": "hello"}, {"type": "photo", "id": 1}, {"type": "draw", "id": 2, "aus": {"AU12": 1}}):
                        text = json.dumps(header)
                        session.send(struct.pack("<I", len(text)) + text.encode() + PHOTO if header["type"] == "photo" else text)
                        answer = session.recv(timeout=30)
                    self.assertIn(b'"picture"', answer[:200])
                if not resident and time.monotonic() > start + min(60, seconds / 2):
                    time.sleep(0.3)  # the last connection is closed
                    resident, descriptors = server.resident_bytes(), server.descriptors()
            time.sleep(0.3)
            print(f"{(server.resident_bytes() - resident) / 1e6:.1f} MB more than {resident / 1e6:.1f} MB,", end=" ", flush=True)
            self.assertLessEqual(server.resident_bytes() - resident, max(0.01 * resident, 2e6))
            self.assertLessEqual(server.descriptors(), descriptors)


def without_text(png):
    """A PNG without its iTXt chunks."""
    at, out = 8, png[:8]
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        chunk = png[at : at + 12 + length]
        if chunk[4:8] != b"iTXt":
            out += chunk
        at += len(chunk)
    return out


def streams_of(video):
    with tempfile.NamedTemporaryFile() as file:
        file.write(video)
        file.flush()
        command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", file.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def bmp(rgb):
    height, width, _ = rgb.shape
    rows = b"".join(row[:, ::-1].tobytes() + b"\0" * (-3 * width % 4) for row in rgb[::-1])
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54 + len(rows), 0, 0, 54, 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows


if __name__ == "__main__":
    unittest.main(verbosity=2)
