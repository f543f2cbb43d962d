"""What reports are made of: results folders, true sources and estimates, all tiny."""

from __future__ import annotations

import base64
import io
import json
import re

import av
import numpy as np

from tfsep import audio
from tfsep.datasets import StemsFolder
from tfsep.evaluation.result_files import save_summary, save_track
from tfsep.evaluation.scores import Scores

RATE = 8000
SECONDS = 4
TARGETS = ("vocals", "drums")
# Everything that HTML, JSON, JavaScript, a formula and a style sheet could take for their own.
NASTY = "Ke$ha & <b>\"Bob\"<script> 'n' $x_1$ ${y} <!-- 🎈"
TRACKS = (NASTY, "beta", "Alpha", "gamma")


def tone(frequency: float, gain: float = 0.3) -> np.ndarray:
    time = np.arange(SECONDS * RATE) / RATE
    return (gain * np.sin(2 * np.pi * frequency * time)).astype(np.float32)[:, np.newaxis]


def save_results(folder, model, shift=0.0, tracks=TRACKS, targets=TARGETS, measures=("SDR",), **options):
    """A results folder as `tfsep evaluate -o` writes it; track t has frames around t dB."""
    folder.mkdir(parents=True)
    scores = Scores(model, tuple(targets), **options)
    generator = np.random.default_rng(0)
    for number, track in enumerate(tracks):
        for row, offset in (("model", shift), ("mixture", -4.0), ("IRM1", 8.0)):
            frames = {
                target: {
                    measure: number + offset + generator.normal(0, 0.1, 5)
                    for measure in (measures if row == "model" else ("SDR",))
                }
                for target in targets
            }
            scores.add(row, track, frames)
        save_track(scores, track, folder)
    save_summary(scores, folder)
    return folder


def make_data(root, tracks=TRACKS):
    for number, track in enumerate(tracks):
        (root / track).mkdir(parents=True)
        for place, source in enumerate(("vocals", "drums", "bass")):
            audio.write(root / track / f"{source}.wav", tone(200 + 300 * place + 20 * number), RATE)
    return StemsFolder(root, split=None)


def make_estimates(root, gain, tracks=TRACKS, sources=TARGETS):
    for track in tracks:
        (root / track).mkdir(parents=True)
        for source in sources:
            audio.write(root / track / f"{source}.flac", tone(250, gain), RATE)
    return root


def decode(content):
    """Samples of a file in memory, `[samples, channels]`, and their rate."""
    with av.open(io.BytesIO(content)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T, frames[0].sample_rate


def read(page):
    """The data of the songs, and their sounds, decoded: a list of stems for each span."""
    text = page.read_text("utf-8")
    data = re.findall(r'class="song-data">(.*?)</script>', text)
    spans = re.findall(r'<script type="text/plain" id="sound-(.*?)">(.*?)</script>', text)
    for path in page.parent.glob(f"{page.stem}-sound/*.js"):
        spans.append(re.fullmatch(r'tfsepSounds\["(.*)"\]="(.*)"', path.read_text("utf-8")).groups())
    decoded = {name: [decode(base64.b64decode(stem)) for stem in stems.split(",")] for name, stems in spans}
    return [json.loads(song) for song in data], decoded
