"""Decoding with libsndfile: wav, flac, ogg, opus, mp3."""

import soundfile

from tfsep.audio.formats import AudioInfo

PREROLL = 8192
BLOCK = 65536


def info(path, stream):
    with soundfile.SoundFile(path) as file:
        return AudioInfo(path, file.samplerate, file.frames, file.channels, 1)


def decode(facts, stream, start, stop):
    with soundfile.SoundFile(facts.path) as file:
        position = max(0, start - PREROLL)
        file.seek(position)
        file.read(start - position)
        while start < stop:
            block = file.read(min(BLOCK, stop - start), dtype="float32", always_2d=True)
            if not len(block):
                return
            start += len(block)
            yield block
