"""Writes the seeds of what reads the server's clients: corpus/curve, form, infer, message and path."""
import gzip
import json
import pathlib
import struct
import zlib

FOLDER = pathlib.Path(__file__).parent
AUS = ["AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26",
       "AU45"]


def write(name, content):
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def infer():
    image = {"name": "image", "datatype": "FP32", "shape": [1, 2]}
    binary = {"parameters": {"binary_data_size": 8}}
    text = json.dumps({"id": "1", "inputs": [image | {"data": [[0.5, -1]]}], "outputs": [{"name": "face"}]})
    write("infer/json", " \n" + text)
    for way, packed in (("gzip", gzip.compress(text.encode(), mtime=0)), ("deflate", zlib.compress(text.encode()))):
        write(f"infer/{way}", f"{way} \n".encode() + packed)
    text = json.dumps({"inputs": [image | binary, image | binary | {"name": "aus"}], "parameters": {"binary_data_output": True}})
    write("infer/binary", f" {len(text)}\n{text}".encode() + floats(0.5, 1, 0, -1))
    wanted = {"name": "face", "parameters": {"binary_data": True, "classification": 0}}
    text = json.dumps({"inputs": [image | {"shape": [0], "data": []}], "outputs": [wanted]})
    write("infer/empty", " \n" + text)


def form():
    part = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    write("form/plain", "multipart/form-data; boundary=b\n" + part.format("image", '; filename="a\\"b.png"', "abc")
          + part.format("fps", "", "30") + "--b--\r\n")
    write("form/preface", 'Multipart/Form-Data; charset=utf-8; boundary="b"\nbefore\r\n--b \r\nContent-Type: image/png\r\n'
          "content-disposition: form-data; name=image\r\n\r\n\r\n--b--after")


def curve():
    write("curve/json", json.dumps({"fps": 10, "rows": [[0] * 17, [0.5] * 17, {"AU12": 1, "6": 0.5}]}))
    row = ",".join(["0.25"] * 17)
    write("curve/csv", f"timestamp,{','.join(AUS)}\n0,{row}\n0.04,{row}\n")
    row = ", ".join(["2.5"] * 17)
    write("curve/openface", f"frame, face_id, timestamp, confidence, success, {', '.join(a + '_r' for a in AUS)}\n"
          f"1, 0, 0, 0.98, 1, {row}\n2, 0, 0.033, 0.98, 0, {row}\n")


def message():
    for name, header, payload in (("photo", {"type": "photo", "id": 1, "preview": True}, b"\xff\xd8\xff"),
                                  ("draw", {"type": "draw", "id": 2, "aus": {"AU12": 1}}, b""),
                                  ("draw_all", {"type": "draw", "id": 2, "aus": [0.5] * 17}, b""),
                                  ("pcm", {"type": "pcm", "id": 5}, floats(0, 0.5))):
        text = json.dumps(header).encode()
        write(f"message/{name}", struct.pack("<I", len(text)) + text + payload)


def path():
    write("path/plain", "/v1/run")
    write("path/escaped", "/%C3%A9+?a=1&b=%41+c&&d")
    write("path/broken", "/%0?=%zz")


for seeds in (infer, form, curve, message, path):
    seeds()
