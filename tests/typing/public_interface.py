"""A user's calls, which mypy checks against the annotations of the public interface (nothing here is run)."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np

import tfsep

stems = tfsep.separate("song.mp3", model="convsep-4stems", overlap=0.5)
assert_type(stems, dict[str, np.ndarray])
assert_type(tfsep.separate_file(Path("song.mp3"), "stems", plot=True), dict[str, Path])
tfsep.separate("song.mp3", overlap="half")  # type: ignore[arg-type]
tfsep.separate("song.mp3", nothing=1)  # type: ignore[call-arg]

tracks = tfsep.datasets.MUSDB18("musdb18", split="valid")
assert_type(tracks[0].read("vocals", start=0, samples=100), np.ndarray)
assert_type(tracks.sources, tuple[str, ...])
tracks[0].read(3)  # type: ignore[arg-type]

model = tfsep.models.UNet(sources=("vocals", "drums"), sample_rate=11025)
assert_type(model.sources, tuple[str, ...])
assert_type(tfsep.training.fit(model, tracks, None, "run", epochs=2), tfsep.models.Separator)
tfsep.training.TrainConfig(epochs="many")  # type: ignore[arg-type]

scores = tfsep.evaluate(model, tracks, sdr_only=True)
by_protocol: float = tfsep.evaluate(model, tracks, protocol=["mdx", "si_sdr"])["mdx"].score()
assert_type(scores, tfsep.evaluation.Scores)
assert_type(tfsep.evaluation.bss_eval(np.zeros((2, 9, 1)), np.zeros((2, 9, 1)), 44100), dict[str, np.ndarray])
audio, sample_rate = tfsep.audio.read("song.wav", start=10)
assert_type(audio, np.ndarray)
assert_type(sample_rate, int)
