"""Audio files to arrays: whole, an excerpt at an exact position, or block by block."""

import os
from collections.abc import Iterator

import numpy as np
import soundfile

from tfsep.audio import av_decoder, soundfile_decoder
from tfsep.audio.formats import AudioError, AudioInfo


def info(path: str | os.PathLike, stream: int = 0) -> AudioInfo:
    return _decoder(path).info(os.fspath(path), stream)


def read(
    path: str | os.PathLike, start: int = 0, samples: int | None = None, stream: int = 0
) -> tuple[np.ndarray, int]:
    facts = info(path, stream)
    samples = facts.samples - start if samples is None else samples
    if start < 0 or samples < 0 or start + samples > facts.samples:
        raise ValueError(
            f"{path}: excerpt of {samples} samples from {start} lies outside the file's {facts.samples} samples."
        )
    audio = np.empty((samples, facts.channels), np.float32)
    filled = 0
    for block in _decoder(path).decode(facts, stream, start, start + samples):
        audio[filled : filled + len(block)] = block
        filled += len(block)
    if filled < samples:
        raise AudioError(f"{path}: ends after {start + filled} of {facts.samples} samples; the file is truncated.")
    return audio, facts.sample_rate


def blocks(path: str | os.PathLike, block_size: int, stream: int = 0) -> Iterator[np.ndarray]:
    facts = info(path, stream)
    waiting = np.empty((0, facts.channels), np.float32)
    for block in _decoder(path).decode(facts, stream, 0, facts.samples):
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= block_size:
            yield waiting[:block_size]
            waiting = waiting[block_size:]
    if len(waiting):
        yield waiting


def _decoder(path):
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such audio file.")
    try:
        with soundfile.SoundFile(path):
            return soundfile_decoder
    except (soundfile.LibsndfileError, TypeError):
        return av_decoder
