"""Makes the golden data of tests/cpu/{mfcc,lstm,speech}_test.cc with PyTorch and torchaudio (seed 20, fp32, one thread).

  speech_mfcc.safetensors   SIGNAL.pcm (samples) fp16 and CASE (T, features); metadata CASE: the config. CASE is SIGNAL/what
  speech_lstm.safetensors   CASE/x (T, input), CASE/lstm.* as torch.nn.LSTM names them, CASE/states (T, hidden * directions)
  speech_mean.safetensors   a whole model file, narrow: read-out mean, 39 coefficients
  speech_last.safetensors   another: read-out last, bidirectional, 2 layers, 13 coefficients with deltas, trimming deeper
  speech_aus.safetensors    SIGNAL.pcm fp16, times (rows) fp64; MODEL/SIGNAL/clip (1, AUs), MODEL/SIGNAL/frames (rows, AUs)
  speech_voice.safetensors       a model with voice activity, which runs on streams too
  speech_voice_aus.safetensors   SIGNAL.pcm fp16, times (rows) fp64; SIGNAL/clip (1, AUs), SIGNAL/frames (rows, AUs),
                                 SIGNAL/live (rows, AUs) at 25 a second; by tools/training, whose features these are

Needs espeak-ng for the spoken signal. Usage: python tests/golden/make_speech.py
"""
import dataclasses
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import torch
import torchaudio
from safetensors.torch import save_file
from torchaudio.functional import compute_deltas, create_dct
from torchaudio.transforms import MFCC, AmplitudeToDB, MelSpectrogram

HERE = pathlib.Path(__file__).parent
AUS = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45]


def config(**changes):
    """Every key of a speech model's metadata; the defaults are the trained model's."""
    c = dict(format=1, kind="speech", sample_rate_hz=16000, n_fft=512, win_length=400, hop_length=160, n_mels=64,
             f_min_hz=0, f_max_hz=8000, mel_scale="htk", log_mode="db_power", top_db=80, n_mfcc=39, deltas=False,
             trim_db=30, trim_pad_frames=5, utterance_mean_subtracted=True, frame_stride=2, feature_mean=[],
             feature_std=[], lstm_hidden=12, lstm_layers=1, bidirectional=False, readout="mean", readout_window_s=0.2,
             au_names=[f"AU{n:02}" for n in AUS])
    c.update(changes)
    features = c["n_mfcc"] * (3 if c["deltas"] else 1)
    c["feature_mean"] = c["feature_mean"] or [0] * features
    c["feature_std"] = c["feature_std"] or [1] * features
    return c


def voice(rate, seconds):
    """Harmonics of a gliding pitch under two formants, in syllables with pauses between: what speech looks like to a mel
    filterbank, without a speaker."""
    t = torch.arange(int(rate * seconds), dtype=torch.float64) / rate
    pitch_hz = 140 + 30 * torch.sin(2 * math.pi * 3 * t)
    phase = 2 * math.pi * torch.cumsum(pitch_hz, 0) / rate
    x = torch.zeros_like(t)
    for n in range(1, 30):
        f = n * pitch_hz
        gain = torch.exp(-((f - 600) / 200) ** 2) + 0.4 * torch.exp(-((f - 1900) / 300) ** 2) + 0.01
        x += gain * torch.sin(n * phase)
    syllables = torch.sin(2 * math.pi * 3.5 * t).clamp(min=0)
    return (0.1 * x * syllables + 1e-3 * torch.randn(len(t), dtype=torch.float64)).half()


def spoken(text, rate, seconds):
    wav = subprocess.run(["espeak-ng", "-v", "en", "--stdout", text], capture_output=True, check=True).stdout
    pcm = torch.from_numpy(np.frombuffer(wav[44:], np.int16).astype(np.float32) / 32768)
    return torchaudio.functional.resample(pcm, 22050, rate)[: int(rate * seconds)].half()


def mfcc(pcm, c):
    """(T, features) of a clip, by torchaudio; MFCC itself where it has the option, its parts where it has not."""
    pcm = torch.nn.functional.pad(pcm, (0, max(0, c["n_fft"] // 2 + 1 - len(pcm))))
    mel = dict(n_fft=c["n_fft"], win_length=c["win_length"], hop_length=c["hop_length"], n_mels=c["n_mels"],
               f_min=float(c["f_min_hz"]), f_max=float(c["f_max_hz"]), mel_scale=c["mel_scale"])
    if c["log_mode"] == "ln" or c["top_db"] == 80:
        out = MFCC(c["sample_rate_hz"], c["n_mfcc"], log_mels=c["log_mode"] == "ln", melkwargs=mel)(pcm)
    else:
        power = MelSpectrogram(c["sample_rate_hz"], **mel)(pcm)
        db = AmplitudeToDB("power", c["top_db"] if c["top_db"] >= 0 else None)(power)
        out = create_dct(c["n_mfcc"], c["n_mels"], "ortho").T @ db
    if c["deltas"]:
        d = compute_deltas(out)
        out = torch.cat([out, d, compute_deltas(d)])
    return out.T.contiguous()


def kept_rows(pcm, c, T):
    """The rows that training kept; see engine/backend/cpu/speech.h."""
    pcm = torch.nn.functional.pad(pcm, (0, max(0, c["win_length"] - len(pcm))))
    e = pcm.unfold(0, c["win_length"], c["hop_length"]).pow(2).mean(1)
    k = (e >= e.max() * 10 ** (-c["trim_db"] / 10)).nonzero().flatten()
    return max(0, int(k[0]) - c["trim_pad_frames"]), min(T, int(k[-1]) + c["trim_pad_frames"])


def aus(pcm, times_s, c, lstm, fc):
    """The clip's answer (1, AUs) and that of a window about each time (rows, AUs)."""
    x = mfcc(pcm, c)
    a, b = kept_rows(pcm, c, len(x))
    x = x[a:b]
    if c["utterance_mean_subtracted"]:
        x = x - x.mean(0)
    x = ((x - torch.tensor(c["feature_mean"])) / torch.tensor(c["feature_std"]))[:: c["frame_stride"]]
    h = lstm(x[None])[0][0]
    at_s = (a + torch.arange(len(h), dtype=torch.float64) * c["frame_stride"]) * c["hop_length"] / c["sample_rate_hz"]
    H = c["lstm_hidden"]

    def read(states):
        return states.mean(0) if c["readout"] == "mean" else torch.cat([states[-1, :H], states[0, H:]])

    frames = torch.zeros(len(times_s), len(AUS))
    for i, t in enumerate(times_s):
        seen = h[(at_s - t).abs() <= c["readout_window_s"] / 2 + 1e-9]  # the edges are inside, however seconds round
        if len(seen):
            frames[i] = fc(read(seen))
    return fc(read(h))[None], frames


def make_mfcc(signals):
    cases = {
        "voice/39": config(), "spoken/39": config(), "silence/39": config(), "click/39": config(), "noise/39": config(),
        "short/39": config(), "one_sample/39": config(),
        "spoken/13_deltas": config(n_mfcc=13, deltas=True), "short/13_deltas": config(n_mfcc=13, deltas=True),
        "noise/no_top_db": config(top_db=-1), "voice/top_db_40": config(top_db=40),
        "voice/ln": config(log_mode="ln"), "click/ln": config(log_mode="ln"),
        "voice22/slaney_1024": config(sample_rate_hz=22050, n_fft=1024, win_length=1024, hop_length=256, n_mels=80,
                                      f_min_hz=20, f_max_hz=11025, mel_scale="slaney", n_mfcc=20),
        "voice11/odd": config(sample_rate_hz=11025, n_fft=358, win_length=241, hop_length=97, n_mels=31, f_min_hz=37,
                              f_max_hz=5003, n_mfcc=17),
        "noise/one_mel": config(n_mels=1, n_mfcc=1),
    }
    tensors = {f"{name}.pcm": pcm for name, pcm in signals.items()}
    for case, c in cases.items():
        tensors[case] = mfcc(signals[case.split("/")[0]].float(), c)
    save_file(tensors, HERE / "speech_mfcc.safetensors", {case: json.dumps(c) for case, c in cases.items()})


def make_lstm():
    tensors = {}
    # name: input, hidden, layers, bidirectional, frames
    for name, (I, H, L, bi, T) in {"narrow": (5, 7, 1, False, 19), "long": (9, 24, 2, False, 200),
                                   "both_ways": (13, 11, 3, True, 37), "one_frame": (39, 16, 2, True, 1)}.items():
        lstm = torch.nn.LSTM(I, H, L, batch_first=True, bidirectional=bi)
        for p in lstm.parameters():
            p.data *= 3  # far from the linear middle of the gates
        x = torch.randn(T, I)
        tensors |= {f"{name}/lstm.{k}": v.clone() for k, v in lstm.state_dict().items()}
        tensors |= {f"{name}/x": x, f"{name}/states": lstm(x[None])[0][0].contiguous()}
    save_file(tensors, HERE / "speech_lstm.safetensors")


def make_chain(signals):
    models = {
        "mean": config(feature_mean=[0.5 * math.sin(i) for i in range(39)], feature_std=[40 / (1 + i / 4) for i in range(39)]),
        "last": config(n_mfcc=13, deltas=True, lstm_hidden=7, lstm_layers=2, bidirectional=True, readout="last",
                       readout_window_s=0.1, trim_db=45, trim_pad_frames=2, utterance_mean_subtracted=False, frame_stride=3,
                       feature_mean=[-500.0] + [0.0] * 38, feature_std=[60.0] + [20.0] * 12 + [5.0] * 26),
    }
    times_s = np.append(np.arange(0, 1.2, 0.04), [-0.3, 0.123, 2.0])
    tensors = {f"{name}.pcm": pcm for name, pcm in signals.items()} | {"times": torch.from_numpy(times_s)}
    for name, c in models.items():
        features, directions = len(c["feature_mean"]), 2 if c["bidirectional"] else 1
        lstm = torch.nn.LSTM(features, c["lstm_hidden"], c["lstm_layers"], batch_first=True, bidirectional=c["bidirectional"])
        fc = torch.nn.Linear(c["lstm_hidden"] * directions, len(AUS))
        state = {f"lstm.{k}": v for k, v in lstm.state_dict().items()} | {f"fc.{k}": v for k, v in fc.state_dict().items()}
        save_file(state, HERE / f"speech_{name}.safetensors", {"emoengine": json.dumps(c)})
        for signal, pcm in signals.items():
            clip, frames = aus(pcm.float(), times_s, c, lstm, fc)
            tensors |= {f"{name}/{signal}/clip": clip, f"{name}/{signal}/frames": frames}
    save_file(tensors, HERE / "speech_aus.safetensors")


def make_voice():
    sys.path.insert(0, str(HERE.parents[1] / "tools" / "training"))
    import speech_features
    import speech_model
    from speech_signals import Style, espeak
    torch.manual_seed(21)
    c = speech_features.SpeechConfig(f_max_hz=5400, top_db=35, frame_stride=3, lstm_hidden=12, lstm_layers=2,
                                     readout_window_s=0.4, live_window_s=0.6,
                                     feature_mean=[0.3 * math.sin(i) for i in range(39)],
                                     feature_std=[20 / (1 + i / 8) for i in range(39)])
    model = speech_model.SpeechModel(c).eval()
    voice, pause = espeak("Look at that!", Style())[:14400] / 4, 1e-4 * torch.randn(16000)
    click, beep = torch.zeros(1600), 0.5 * torch.sin(2 * math.pi * 0.0625 * torch.arange(4800))
    click[200:360] = 1
    signals = {"voice": torch.cat([click, beep, pause[:3200], voice, pause, voice / 2, pause[:1600]]).half(),
               "short": voice[:6000].half(), "tone": beep.half(), "nothing": torch.zeros(10).half()}
    spoken = signals["voice"].float()
    long = torch.cat([spoken, torch.zeros(88000 - len(spoken)), spoken / 5])  # tests/cpu/live_speech_test.cc
    times_s = np.append(np.arange(0, 3.4, 0.08), [-0.3, 9])
    tensors = {f"{name}.pcm": pcm for name, pcm in signals.items()} | {"times": torch.from_numpy(times_s)}
    for name, pcm in signals.items():
        mel = speech_features.log_mel(pcm.float(), c)
        kept, level = speech_features.voice_activity(mel, c)
        clip, frames = torch.zeros(1, 17), torch.zeros(len(times_s), 17)
        if level is not None:
            x = speech_features.network_input(speech_features.trimmed_log_mel(pcm.float(), c), c)
            h = model.lstm(x[None])[0][0]
            at_s = kept.nonzero()[::c.frame_stride, 0].double() * 0.01
            clip[0] = model.fc(h.mean(0))
            for i, t in enumerate(times_s):
                seen = h[(at_s - t).abs() <= c.readout_window_s / 2 + 1e-9]
                if len(seen):
                    frames[i] = model.fc(seen.mean(0))
        tensors |= {f"{name}/clip": clip, f"{name}/frames": frames, f"{name}/live": speech_model.live_aus(model, pcm.float(), 25)}
    tensors["long/live"] = speech_model.live_aus(model, long, 25)
    save_file(tensors, HERE / "speech_voice_aus.safetensors")
    state = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith("emotion.")}
    save_file(state, HERE / "speech_voice.safetensors", {"emoengine": json.dumps({"format": 1, **dataclasses.asdict(c)})})


def main():
    torch.manual_seed(20)
    torch.set_num_threads(1)
    click = torch.zeros(3200).half()
    click[1234] = 1
    signals = {
        "voice": voice(16000, 0.5), "spoken": spoken("Look at that!", 16000, 0.9), "silence": torch.zeros(1600).half(),
        "click": click, "noise": (0.1 * torch.randn(3200)).half(), "short": (0.1 * torch.randn(100)).half(),
        "one_sample": torch.tensor([0.5]).half(), "voice22": voice(22050, 0.3), "voice11": voice(11025, 0.4),
    }
    with torch.no_grad():
        make_mfcc(signals)
        make_lstm()
        quiet_ends = torch.cat([torch.zeros(3000), signals["spoken"].float(), 1e-3 * torch.randn(4000)]).half()
        make_chain({"spoken": quiet_ends, "voice": signals["voice"], "click": click, "short": signals["short"]})
        make_voice()


if __name__ == "__main__":
    main()
