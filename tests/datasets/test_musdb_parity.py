"""What is read from STEM files against musdb's reader, stempeg, which needs the programs ffmpeg and ffprobe."""

import numpy as np
import pytest

from tfsep.datasets import MUSDB18, embedded
from tfsep.datasets.musdb18 import STREAMS
from tfsep.datasets.stems import to_int16


@pytest.fixture(scope="session")
def stempeg():
    try:
        import stempeg
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"stempeg cannot be imported: {error}")
    return stempeg


def test_the_embedded_song_is_read_as_by_musdb(stempeg):
    _assert_read_alike(stempeg, embedded()[0])


def test_previews_are_read_as_by_musdb(stempeg, real_data):
    for track in MUSDB18(real_data("musdb18-7s"))[::20]:
        _assert_read_alike(stempeg, track)


def _assert_read_alike(stempeg, track):
    path = str(track.mixture.path)
    floats, integers = (stempeg.read_stems(path, ffmpeg_format=name)[0] for name in ("f32le", "s16le"))
    # FFmpeg rounds as we do, clipped peaks included.
    np.testing.assert_array_equal(to_int16(floats.astype(np.float32)), integers)
    read = track.read_all(STREAMS)
    for name, stream in STREAMS.items():
        samples = min(track.samples, len(integers[stream]))  # FFmpeg 9 cuts the padding of the last frame
        ours, theirs = read[name][:samples] * 2.0**15, integers[stream][:samples] * 2**15
        # The AAC decoder of FFmpeg 5 has other last bits than PyAV's, which turn the few samples near a tie. With
        # FFmpeg 9, as with the libraries of 7 and 8, all are equal.
        assert np.abs(ours - theirs).max() <= 1
        assert np.mean(ours != theirs) < 1e-3
