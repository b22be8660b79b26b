"""Clips with their target AUs, as log-mel spectrograms ready for training.

A folder is searched for clips: sound files, and videos where ffmpeg is installed. A clip's target is
  - the mean AUs of its frames, when an OpenFace CSV file of the same name lies beside it;
  - else, of a clip that its folder's clips.csv lists (file, corpus, speaker, emotion, heard), the prototype of what listeners
    heard, at 0.8: of several the one acted if it is among them, else the first; without listeners the one acted;
  - else the prototype of the emotion in its name, when it is named as RAVDESS names them
    (modality-channel-emotion-intensity-statement-repetition-actor): intensity normal 0.6, strong 1, neutral and calm zero.
"""
import csv
import dataclasses
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys

import torch

from common import EMOTIONS, TrainingError, prototype, read_emotions, read_openface, write_whole
from speech_features import SAMPLE_RATE_HZ, live_log_mel, mfcc, trimmed_log_mel
from speech_signals import NO_SPEECH, STYLES, degraded, espeak, has_espeak, jittered, no_speech, resample

SOUND = {".wav", ".flac", ".ogg", ".opus", ".aiff"}
VIDEO = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4a", ".mp3"}
RAVDESS_EMOTIONS = {1: "neutral", 2: "neutral", 3: "happiness", 4: "sadness", 5: "anger", 6: "fear", 7: "disgust",
                    8: "surprise"}  # 02 is calm
STRENGTHS = {1: 0.6, 2: 1.0}
SENTENCES = ["The boy is standing at the window.", "We will be there in half an hour.", "That is my old red bicycle.",
             "Nobody told me about the letter.", "She put the keys on the table.", "It is the second time this week.",
             "Well, look who is coming up the road! And he has brought his brother.", "Where did you put it?",
             "They said on the radio that it might rain.", "No, wait. I have seen this man before."]
# Variants of en-gb itself all sound as en-gb does (espeak-ng 1.51), so there are none here.
VOICES = ["en-gb", "en-us", "en-us+f1", "en-us+f2", "en-us+f3", "en-us+f4", "en-us+m2", "en-us+m3", "en-us+m4", "en-us+m5",
          "en-us+m7", "en-us+m8", "en-gb-x-rp+f2", "en-gb-x-rp+m3", "en-gb-scotland+f1", "en-us-nyc+m6"]
SYNTHETIC_REPETITIONS = 4  # sentences of each voice in each style
NO_SPEECH_CLIPS = {"noise": 120, "hum": 40, "music": 40, "steps": 40}  # noise is the one that is taken for speech


@dataclasses.dataclass
class Clip:
    """One utterance. `mels` holds the clean log-mel spectrogram, (frames, n_mels) fp16, then its degraded copies; `live` the
    same as a stream hears them, (frames, 2, n_mels), for models with voice activity."""
    name: str
    speaker: str
    target: torch.Tensor  # (17)
    pair: str = ""  # shared by clips that differ in strength alone; empty: has no partner
    strength: int = 0  # RAVDESS intensity; 0 unknown
    kind: str = "speech"  # speech | synthetic | other
    corpus: str = ""
    mels: list = dataclasses.field(default_factory=list)
    live: list = dataclasses.field(default_factory=list)

    @property
    def emotion(self):
        return int(read_emotions(self.target[None])[0])


def load_pcm(path):
    """(samples,) mono at 16 kHz of a sound file, or of a video's first sound track."""
    import soundfile
    path = pathlib.Path(path)
    if path.suffix.lower() in VIDEO:
        if not shutil.which("ffmpeg"):
            raise TrainingError(f"{path}: needs ffmpeg; install it, or extract the sound to .wav")
        command = ["ffmpeg", "-v", "error", "-i", path, "-vn", "-f", "f32le", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-"]
        done = subprocess.run(command, capture_output=True)
        if done.returncode or not done.stdout:
            raise TrainingError(f"{path}: ffmpeg finds no sound in it: {done.stderr.decode(errors='replace').strip()}")
        return torch.frombuffer(bytearray(done.stdout), dtype=torch.float32)
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise TrainingError(f"{path}: not a readable sound file: {error}") from None
    return resample(torch.from_numpy(samples).mean(1), rate_hz)


def ravdess_clip(path):
    """The Clip that a RAVDESS name describes, without sound; None for another name."""
    if not re.fullmatch(r"\d\d(-\d\d){6}", path.stem):
        return None
    _, _, emotion, strength, statement, repetition, actor = path.stem.split("-")
    if int(emotion) not in RAVDESS_EMOTIONS or int(strength) not in STRENGTHS:
        return None
    target = prototype(RAVDESS_EMOTIONS[int(emotion)], STRENGTHS[int(strength)])
    return Clip(path.stem, actor, target, f"{emotion}-{statement}-{repetition}-{actor}", int(strength))


def listed_clips(folder, corpora=()):
    """[(path, Clip)] of a folder's clips.csv, those of the named corpora or all."""
    table = folder / "clips.csv"
    found = []
    with open(table, newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            try:
                heard = (row.get("heard") or row["emotion"]).split("|")
                emotion = row["emotion"] if row["emotion"] in heard else heard[0]
                strength = 0.8 if EMOTIONS.index(emotion) else 0
                clip = Clip(row["file"], row["speaker"], prototype(emotion, strength), corpus=row["corpus"])
            except (KeyError, ValueError, AttributeError):
                raise TrainingError(f"{table}: line {number}: file, corpus, speaker and an emotion ({', '.join(EMOTIONS)}) are "
                                    "needed") from None
            if not corpora or clip.corpus in corpora:
                found.append((folder / row["file"], clip))
    if not found:
        raise TrainingError(f"{table}: lists no clips of {', '.join(corpora) or 'any corpus'}")
    return found


def find_clips(folder, corpora=()):
    """[(path, Clip)] of every clip under a folder, or several, sorted by name."""
    if not isinstance(folder, (str, pathlib.Path)):
        return [pair for one in folder for pair in find_clips(one, corpora)]
    folder = pathlib.Path(folder)
    if (folder / "clips.csv").exists():
        return listed_clips(folder, corpora)
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUND | VIDEO)
    if not paths:
        raise TrainingError(f"{folder}: no sound or video files under it; give the folder of clips")
    found = []
    for path in paths:
        clip, table = ravdess_clip(path), path.with_suffix(".csv")
        if table.exists():
            clip = clip or Clip(path.stem, path.parent.name, torch.zeros(0))
            clip.target = read_openface(table).mean(0)
        if clip is None:
            raise TrainingError(f"{path}: has no {table.name} beside it and no RAVDESS name, so its AUs are not known")
        found.append((path, clip))
    return found


def synthetic_clips(generator):
    """[(pcm, Clip)] of styled espeak-ng speech, so that a network taught by actors alone does not take every synthetic
    voice for one emotion, and of sounds that are no speech, which ask for a neutral face."""
    made = []
    if has_espeak():
        for v, voice in enumerate(VOICES):
            for emotion in EMOTIONS:
                for repetition in range(SYNTHETIC_REPETITIONS):
                    text = SENTENCES[(v + repetition * 3) % len(SENTENCES)]
                    clip = Clip(f"{emotion}-{voice}-{repetition}", "espeak", prototype(emotion, 0.8), kind="synthetic")
                    made.append((espeak(text, jittered(STYLES[emotion], generator), voice), clip))
    else:
        print("espeak-ng is not installed: training goes without synthetic speech", file=sys.stderr)
    for name, count in NO_SPEECH_CLIPS.items():
        for i in range(count):
            made.append((no_speech(name, generator), Clip(f"{name}-{i}", "none", prototype("neutral"), kind="other")))
    return made


def load_clips(folder, config, copies, seed, synthetic=True, cache=None, corpora=()):
    """Clips of a folder and, if asked, synthetic ones, each with `copies` degraded copies.

    What took minutes is kept in the file `cache`, which is made anew when the data or these arguments change.
    """
    found = find_clips(folder, corpora)
    mel_keys = ["n_fft", "win_length", "hop_length", "n_mels", "f_min_hz", "f_max_hz", "top_db", "trim_db", "trim_pad_frames",
                "voice_change_db", "voice_over_noise_db", "voice_hold_frames", "level_frames"]
    about = [[getattr(config, k) for k in mel_keys], copies, seed, synthetic and has_espeak(), synthetic,
             VOICES, SENTENCES, SYNTHETIC_REPETITIONS, {k: dataclasses.astuple(v) for k, v in STYLES.items()}, NO_SPEECH_CLIPS,
             [(str(p), p.stat().st_size, p.stat().st_mtime_ns, c.target.tolist()) for p, c in found]]
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    if cache and pathlib.Path(cache).exists():
        try:
            stored = torch.load(cache, weights_only=True)
            if stored["key"] == key:
                return [Clip(**clip) for clip in stored["clips"]]
        except Exception as error:  # whatever a damaged file throws: it is only a cache
            print(f"{cache}: not usable ({type(error).__name__}); it is made anew", file=sys.stderr)

    made = synthetic_clips(torch.Generator().manual_seed(seed + 1)) if synthetic else []
    generator = torch.Generator().manual_seed(seed)
    clips = []
    for pcm, clip in [*((load_pcm(path), clip) for path, clip in found), *made]:
        for version in [pcm, *(degraded(pcm, generator) for _ in range(copies))]:
            mel = trimmed_log_mel(version, config)
            if mel is not None:
                clip.mels.append(mel.half())
                if config.voice_change_db > 0:
                    clip.live.append(live_log_mel(version, config)[0].half())
            elif version is pcm:
                break
        if clip.mels:
            clips.append(clip)
        elif clip.kind != "other":  # of sounds that are no speech, the network hears those that pass for it
            print(f"{clip.name}: no speech is found in it; it is left out", file=sys.stderr)
    if not any(clip.kind == "speech" for clip in clips):
        raise TrainingError(f"{folder}: no speech is found in any clip")
    if cache:
        stored = {"key": key, "clips": [vars(clip) for clip in clips]}
        write_whole(cache, lambda part: torch.save(stored, part))
    return clips


def speakers(clips):
    return sorted({clip.speaker for clip in clips if clip.kind == "speech"})


def fold_speakers(clips, folds):
    """Speakers dealt into folds: [[...], ...]. Neighbours in RAVDESS alternate in sex, so each fold has both."""
    names = speakers(clips)
    if not 2 <= folds <= len(names):
        raise TrainingError(f"{folds} folds are asked; 2 to {len(names)} are possible with this data's speakers")
    size, extra = divmod(len(names), folds)
    ends = [size * (i + 1) + min(extra, i + 1) for i in range(folds)]
    return [names[begin:end] for begin, end in zip([0, *ends], ends)]


def feature_scale(clips, config):
    """Sets config.feature_mean and feature_std from the clean clips; zero mean when the utterance's own is subtracted."""
    rows = []
    for clip in clips:
        x = mfcc(clip.mels[0].float(), config)
        rows.append(x - x.mean(0) if config.utterance_mean_subtracted else x)
    rows = torch.cat(rows)
    mean = torch.zeros(config.features()) if config.utterance_mean_subtracted else rows.mean(0)
    config.feature_mean = [round(v, 5) for v in mean.tolist()]
    config.feature_std = [max(1e-3, round(v, 5)) for v in rows.std(0).tolist()]

