"""Writes the seeds of corpus/safetensors/: whole small files, which the fuzzer then bends."""
import json
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "safetensors"
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1}


def write(name, tensors, metadata=None):
    """tensors: {name: (dtype, shape)}; the bytes count up from 0."""
    header, end = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for key, (dtype, shape) in tensors.items():
        size = BYTES[dtype]
        for extent in shape:
            size *= extent
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / name).write_bytes(struct.pack("<Q", len(text)) + text + bytes(i % 256 for i in range(end)))


GENERATOR = {"format": 1, "kind": "generator", "conv_dim": 8, "res_blocks": 1, "image_size": 16, "norm_eps": 1e-5,
             "norm_affine": True, "au_names": ["AU12"], "au_scale": 1.0, "mask_keeps_image": True, "pixel_min": -1.0,
             "pixel_max": 1.0, "channel_order": "rgb", "crop_scale": 1.0, "resize_filter": "area"}
SPEECH = {"kind": "speech", "sample_rate_hz": 16000, "n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 64,
          "f_min_hz": 0, "f_max_hz": 8000, "mel_scale": "htk", "log_mode": "db_power", "top_db": 80, "n_mfcc": 2,
          "deltas": False, "trim_db": 30, "trim_pad_frames": 5, "utterance_mean_subtracted": True, "frame_stride": 2,
          "feature_mean": [0, 0.5], "feature_std": [1, 2e1], "lstm_hidden": 4, "lstm_layers": 1, "bidirectional": False,
          "readout": "mean", "readout_window_s": 1.0, "au_names": ["AU12"]}

FOLDER.mkdir(exist_ok=True)
write("empty", {})
write("every_dtype", {dtype: (dtype, [3]) for dtype in BYTES})
write("ranks", {"scalar": ("F32", []), "vector": ("F16", [3]), "conv": ("BF16", [2, 1, 2, 2])}, {})
write("generator", {"main.1.bias": ("F32", [8])}, {"emoengine": json.dumps(GENERATOR)})
write("speech", {"fc.bias": ("F32", [1])}, {"emoengine": json.dumps(SPEECH), "note": "\u00fc"})
