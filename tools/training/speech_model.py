"""Model B: LSTM over MFCC, mean or last state, one fully connected layer to 17 AUs."""
import dataclasses
import json
import math
import pathlib

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from common import (AU_NUMBERS, EMOTIONS, NEUTRAL_NORM, TrainingError, load_tensors, save_checkpoint, sharpened, unit_prototypes,
                    write_json)
from speech_features import OLDER, SpeechConfig, live_input, mfcc, network_input


class SpeechModel(nn.Module):
    """`lstm` and `fc` are what the engine runs. `emotion`, a classifier on the same states, only helps to train them."""

    def __init__(self, config, dropout=0.0):
        super().__init__()
        self.config = config
        self.lstm = nn.LSTM(config.features(), config.lstm_hidden, config.lstm_layers, batch_first=True,
                            bidirectional=config.bidirectional, dropout=dropout if config.lstm_layers > 1 else 0.0)
        width = config.lstm_hidden * (2 if config.bidirectional else 1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, len(AU_NUMBERS))
        self.emotion = nn.Linear(width, len(EMOTIONS))
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_ih"):  # gates are stacked i,f,g,o: begin by remembering
                bias.data[config.lstm_hidden:2 * config.lstm_hidden] += 1.0

    def forward(self, x, lengths, window=None):
        """x (N, T, features), lengths (N) -> AUs (N, 17), not clamped, and emotion logits (N, 7).

        window (N, 2): with read-out `mean`, the states [begin, end) that are averaged; None: all.
        """
        if self.config.bidirectional:  # the backward direction must begin at each clip's own end
            packed, (h, _) = self.lstm(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
            states = pad_packed_sequence(packed, batch_first=True)[0]
        else:
            states, _ = self.lstm(x)
            h = None
        if self.config.readout == "mean":
            begin, end = (torch.zeros_like(lengths), lengths) if window is None else window.T
            t = torch.arange(states.shape[1])[None]
            inside = ((t >= begin[:, None]) & (t < end[:, None])).float()[..., None]
            z = (states * inside).sum(1) / inside.sum(1)
        elif self.config.bidirectional:
            z = torch.cat([h[-2], h[-1]], 1)
        else:
            z = states[torch.arange(len(lengths)), lengths - 1]
        z = self.dropout(z)
        return self.fc(z), self.emotion(z)


def merged(models):
    """One model that answers with the mean of several of one shape: their states side by side, the recurrent weights
    block-diagonal, the FC layers averaged. The engine runs it as any LSTM."""
    config = dataclasses.replace(models[0].config, lstm_hidden=sum(model.config.lstm_hidden for model in models))
    result = SpeechModel(config)
    wide = {}
    for name in result.state_dict():
        parts = [model.state_dict()[name] for model in models]
        if name.startswith("lstm."):  # gate by gate; the layers above the first read their own member's states alone
            join = torch.block_diag if "weight" in name and name != "lstm.weight_ih_l0" else lambda *gate: torch.cat(gate)
            wide[name] = torch.cat([join(*gate) for gate in zip(*(part.chunk(4) for part in parts))])
        else:
            wide[name] = torch.cat(parts, 1) / len(parts) if name.endswith("weight") else sum(parts) / len(parts)
    result.load_state_dict(wide)
    return result.eval()


@torch.no_grad()
def stretched(model, factor):
    """The model with its answers moved so many times as far from the threshold of neutral: what it reads as an emotion gets
    stronger, what it reads as neutral weaker. An uncertain answer is the mean of several, so it comes out weak."""
    model.fc.weight *= factor
    model.fc.bias *= factor
    model.fc.bias += torch.linalg.pinv(unit_prototypes()) @ torch.full((len(EMOTIONS) - 1,), NEUTRAL_NORM * (1 - factor))
    return model


@torch.no_grad()
def lifted(model, lifts):
    """The model with these lengths, {emotion: length}, added to its answers along the emotions' prototypes. Prototypes of few
    AUs are short: an answer between several emotions is longest along those of many, fear and surprise."""
    for emotion, length in lifts.items():
        model.fc.bias += length * unit_prototypes()[EMOTIONS.index(emotion) - 1]
    return model


def pad_mels(mels):
    """Spectrograms of different lengths as (N, T, n_mels) and lengths (N)."""
    lengths = torch.tensor([len(mel) for mel in mels])
    return nn.utils.rnn.pad_sequence([mel.float() for mel in mels], batch_first=True), lengths


def batch_input(mel, lengths, config, first_frame=0, live=None, means=None):
    """network_input() of a padded batch: (N, T, features) and lengths in states. Padding is zero. From clips that are `live`
    (N), bool, a mean of each frame's own is subtracted, of means (N, T, n_mels): speech_features.live_log_mel()."""
    if config.deltas:  # slopes need each clip's own end
        rows = [network_input(m[:n], config, first_frame) for m, n in zip(mel, lengths)]
        return pad_mels(rows)
    x = mfcc(mel, config)
    inside = (torch.arange(x.shape[1])[None] < lengths[:, None]).float()[..., None]
    if config.utterance_mean_subtracted:
        mean = (x * inside).sum(1, keepdim=True) / lengths[:, None, None]
        x = x - (mean if live is None else torch.where(live[:, None, None], mfcc(means, config), mean))
    x = (x - torch.tensor(config.feature_mean)) / torch.tensor(config.feature_std) * inside
    stride = config.frame_stride
    return x[:, first_frame::stride], (lengths - first_frame + stride - 1) // stride


@torch.no_grad()
def predict(model, mels, batch=64):
    """AUs (N, 17) in [0,1], as the engine clamps and sharpens them, of trimmed log-mel spectrograms."""
    model.eval()
    rows = []
    for i in range(0, len(mels), batch):
        x, lengths = batch_input(*pad_mels(mels[i:i + batch]), model.config)
        rows.append(sharpened(model(x, lengths)[0].clamp(0, 1), model.config.emotion_sharpness))
    return torch.cat(rows)


@torch.no_grad()
def live_states(model, pcm):
    """The LSTM's states (states, hidden) of a stream, and the seconds (states) at which they stand."""
    x, frames = live_input(pcm, model.config)
    states = model.lstm(x[None])[0][0] if len(x) else torch.zeros(0, model.config.lstm_hidden)
    return states, torch.tensor(frames, dtype=torch.float64) * model.config.hop_length / model.config.sample_rate_hz


@torch.no_grad()
def live_aus(model, pcm, fps):
    """AUs (rows, 17) as engine/pipeline/live_voice.h gives them before they are clamped and sharpened, at i / fps."""
    states, at_s = live_states(model, pcm)
    aus = torch.zeros(max(1, math.ceil(len(pcm) / model.config.sample_rate_hz * fps - 1e-9)), len(AU_NUMBERS))
    for i in range(len(aus)):
        seen = states[(at_s >= i / fps - model.config.live_window_s - 1e-9) & (at_s <= i / fps + 1e-9)]
        if len(seen):
            aus[i] = model.fc(seen.mean(0) if model.config.readout == "mean" else seen[-1])
    return aus


def export(model, pth_path, json_path):
    """Writes what `emoengine convert PTH --layout speech --config JSON` takes: the LSTM and FC alone, and the config."""
    state = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()
             if not name.startswith("emotion.")}
    bad = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if bad:
        raise TrainingError(f"{pth_path}: {bad[0]} holds NaN or infinity; nothing is written")
    save_checkpoint(pth_path, state)
    write_json(json_path, dataclasses.asdict(model.config))


def read_safetensors(path):
    """The settings (a dict) and the tensors, fp32, of a weight file that `emoengine convert` wrote."""
    data = bytearray(path.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    header, data = json.loads(data[8:begin]), data[begin:]
    config = json.loads(header.pop("__metadata__")["emoengine"])
    del config["format"]
    kinds = {"F16": torch.float16, "F32": torch.float32}
    return config, {name: torch.frombuffer(data[slice(*entry["data_offsets"])], dtype=kinds[entry["dtype"]]).float()
                    .reshape(entry["shape"]) for name, entry in header.items()}


def load_export(path):
    """The model that export() wrote to PTH and to the .json of the same name, or that was converted to .safetensors."""
    path = pathlib.Path(path)
    try:
        if path.suffix == ".safetensors":
            settings, tensors = read_safetensors(path)
        else:
            settings, tensors = json.loads(path.with_suffix(".json").read_text()), load_tensors(path)
        model = SpeechModel(SpeechConfig(**{**OLDER, **settings}))
        missing, unknown = model.load_state_dict(tensors, strict=False)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        raise TrainingError(f"{path}: not a speech model, .safetensors or .pth with its .json beside it: {error}") from None
    if unknown or any(not name.startswith("emotion.") for name in missing):
        raise TrainingError(f"{path}: not a speech model of this recipe: {', '.join([*unknown, *missing])[:80]}")
    return model.eval()
