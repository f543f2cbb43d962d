"""Arrays to audio files, atomically: a file appears whole or not at all."""

import os
import secrets
from pathlib import Path

import numpy as np
import soundfile

_DEFAULT_SUBTYPE = {".wav": "FLOAT", ".flac": "PCM_16", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}


def write(path, audio, sample_rate, subtype=None, overwrite=False):
    audio = audio[:, None] if audio.ndim == 1 else audio
    with Writer(path, sample_rate, audio.shape[1], subtype, overwrite) as writer:
        writer.write(audio)


class Writer:
    def __init__(self, path, sample_rate, channels, subtype=None, overwrite=False):
        self.path = Path(path)
        if self.path.exists() and not overwrite:
            raise FileExistsError(f"{path}: exists already; pass overwrite=True to replace it.")
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        self._settings = dict(
            samplerate=sample_rate,
            channels=channels,
            subtype=subtype or _DEFAULT_SUBTYPE[self.path.suffix.lower()],
            format=self.path.suffix[1:].upper(),
        )

    def __enter__(self):
        self._file = soundfile.SoundFile(self._temporary, "w", **self._settings)
        return self

    def write(self, block):
        self._file.write(np.asarray(block, np.float32))

    def __exit__(self, kind, error, traceback):
        try:
            self._file.close()
            if kind is None:
                os.replace(self._temporary, self.path)
        finally:
            self._temporary.unlink(missing_ok=True)
