"""Stems of audio that arrives block by block: those of the whole song, after a constant delay."""

import gc
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep.audio.resampling import DELAY, Resampler
from tfsep.models import Bag, HTDemucs, Spleeter, UNet
from tfsep.separation import Separation

RULES = {
    "plain": {},
    "frames": {"fade": "frames", "lead": 32, "overlap": 1 - 80 / 100},
    "demucs": {"fade": "triangle", "edges": "centred"},
    "msst": {"fade": "tenth", "edges": "reflect", "overlap": 0.75},
    "batches": {"batch_size": 3},
}


@pytest.fixture(scope="session")
def uneven(identity):
    """A model whose estimates depend on the place in a window and on its other samples."""

    class Uneven(identity):
        def separate_window(self, window):
            place = np.linspace(0.5, 1.5, window.shape[1], dtype="float32")[:, np.newaxis]
            whole = window * place + window.mean(axis=1, keepdims=True)
            centre = whole[:, self.context : window.shape[1] - self.context]
            return {"plain": centre, "minus": -np.abs(centre)}

    def make(rule="plain", *arguments):
        model = Uneven(*arguments)
        vars(model).update(RULES[rule])
        return model

    return make


def streamed(separation, song, rate, lengths):
    """Return the stems of a song that is pushed in blocks of these lengths, by turns, and check the delay."""
    parts, position, returned = [], 0, 0
    with separation.stream(rate, song.shape[1]) as stream:
        while position < len(song):
            block = song[position : position + lengths[len(parts) % len(lengths)]]
            position += len(block)
            parts.append(stream.push(block))
            returned += len(next(iter(parts[-1].values())))
            assert returned == max(0, position - stream.latency)
        parts.append(stream.finish())
        assert len(parts[-1]["plain"]) == min(stream.latency, len(song))
    return {name: np.concatenate([part[name] for part in parts]) for name in separation.names}


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(
    samples=st.integers(0, 2500),
    lengths=st.lists(st.sampled_from([0, 1, 2, 7, 64, 100, 999, 3000]), min_size=1, max_size=4).filter(any),
    rates=st.sampled_from([(8000, 8000), (8000, 8000), (44100, 8000), (8000, 11025), (48000, 44100)]),
    channels=st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2), (5, 1)]),
    rule=st.sampled_from(sorted(RULES)),
    segment=st.integers(50, 120),
    context=st.integers(0, 20),
    options=st.sampled_from(
        [{}, {}, {"overlap": 0.6}, {"residual": "rest"}, {"shifts": 3}, {"tta": True}, {"batch_size": 4}]
    ),
)
def test_a_stream_has_the_stems_of_the_song(uneven, samples, lengths, rates, channels, rule, segment, context, options):
    song = np.random.default_rng(samples).uniform(-1, 1, (samples, channels[0])).astype(np.float32)
    segment = 96 if rule == "frames" else segment
    separation = Separation(uneven(rule, segment, context, channels[1], rates[1]), **options)
    found = streamed(separation, song, rates[0], lengths)
    if samples == 0:
        assert all(stem.shape == song.shape for stem in found.values())
        return
    for name, stem in separation.separate(song, rates[0]).items():
        np.testing.assert_allclose(found[name], stem, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("model", "latency"), [(UNet(segment=256, depth=2, filters=2, sample_rate=8000), 255), (None, 4095)]
)
def test_networks_of_any_rule_and_rate(noise, model, latency):
    model = model or Spleeter(n_fft=256, bins=64, filters=2, segment=4096, sample_rate=8000)
    separation = Separation(model, residual="plain")
    song = noise(9000)
    assert separation.stream(8000, 2).latency == latency
    found = streamed(separation, song, 8000, [777])
    for name, stem in separation.separate(song, 8000).items():
        np.testing.assert_allclose(found[name], stem, atol=1e-6)


def test_latency_is_as_small_as_the_model_allows(uneven, noise):
    """The sample after which a segment and its context are complete gives the first stems."""
    stream = Separation(uneven("plain", 100, 7)).stream(8000, 1)
    assert stream.latency == 106
    assert len(stream.push(noise(106, 1))["plain"]) == 0
    assert len(stream.push(noise(1, 1))["plain"]) == 1
    separation = Separation(uneven("plain", 100, 7, 1, 16000))
    assert separation.stream(8000, 1).latency == 2 * DELAY + 53 + 2
    assert Separation(uneven("plain", 100), wiener=1).stream(8000, 1).latency == 99 + 80_000 + 4096 - 1


def test_wiener_filter_streams(uneven, noise):
    song = noise(100_000, 1)
    separation = Separation(uneven("plain", 9000), wiener=1)
    found = streamed(separation, song, 8000, [30_000])
    np.testing.assert_allclose(found["plain"], separation.separate(song, 8000)["plain"], atol=1e-6)


@pytest.mark.parametrize(
    "rates", [(44100, 8000), (8000, 44100), (48000, 44100), (44100, 48000), (88200, 8000), (768000, 8000)]
)
@pytest.mark.parametrize("block", [37, 5000])
def test_resampling_is_not_later_than_said(rates, block):
    slower = max(1, rates[0] / rates[1])
    resampler, received, returned = Resampler(*rates, 1), 0, 0
    while received < 3 * DELAY * slower:
        returned += len(resampler.push(np.zeros((block, 1), np.float32)))
        received += block
        assert returned * rates[0] / rates[1] >= received - DELAY * slower


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("hpss", "TrainingFree"),
        (Bag([UNet(segment=256, depth=2, filters=2)]), "Bag"),
        (HTDemucs(segment=4096, filters=8, depth=1, n_fft=256, transformer_layers=1), "HTDemucs"),
    ],
)
def test_models_of_whole_songs_are_refused(model, name):
    with pytest.raises(ValueError, match=f"^{name} takes a song as a whole, and cannot"):
        Separation(model).stream(44100, 2)


def test_what_cannot_be_separated_is_refused_at_once(identity):
    model = identity(channels=2)
    with pytest.raises(ValueError, match="audio of 2 channels"):
        Separation(model).stream(8000, 3)
    with pytest.raises(ValueError, match="sample_rate=0"):
        Separation(model).stream(0, 2)
    with pytest.raises(ValueError, match="channels=0"):
        Separation(model).stream(8000, 0)
    model.longest_segment = 1000
    with pytest.raises(ValueError, match="needs its length first"):
        Separation(model).stream(8000, 2)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.zeros((5, 1), np.float32), r"float \[samples, 2\]. Received: float32 of shape \(5, 1\)"),
        (np.zeros(5, np.float32), r"shape \(5,\)"),
        (np.zeros((5, 2), np.int16), "Received: int16"),
        (np.full((5, 2), np.nan), "NaN"),
    ],
)
def test_a_wrong_block_is_refused_and_the_stream_goes_on(identity, noise, block, message):
    song, separation = noise(500), Separation(identity())
    with separation.stream(8000, 2) as stream:
        parts = [stream.push(song[:250])]
        with pytest.raises(ValueError, match=message):
            stream.push(block)
        parts += [stream.push(song[250:]), stream.finish()]
    np.testing.assert_allclose(np.concatenate([part["plain"] for part in parts]), song, atol=1e-6)


def test_a_block_may_be_overwritten_after_it_was_pushed(identity, noise):
    song, buffer, parts = noise(1000), np.empty((50, 2), np.float32), []
    stream = Separation(identity(), residual="rest").stream(8000, 2)
    for start in range(0, 1000, 50):
        buffer[:] = song[start : start + 50]
        parts.append(stream.push(buffer))
    parts.append(stream.finish())
    np.testing.assert_allclose(np.concatenate([part["plain"] for part in parts]), song, atol=1e-6)


def test_an_error_of_the_model_ends_the_stream(identity, noise):
    class Broken(identity):
        def separate_window(self, window):
            raise RuntimeError("out of memory")

    stream = Separation(Broken()).stream(8000, 1)
    with pytest.raises(RuntimeError, match="out of memory"):
        stream.push(noise(100, 1))
    with pytest.raises(ValueError, match="The stream has ended"):
        stream.push(noise(100, 1))


def test_streams_leave_no_threads(identity, noise):
    before = set(threading.enumerate())
    stream = Separation(identity()).stream(8000, 1)
    stream.push(noise(250, 1))
    stream.finish()
    assert len(stream.finish()["plain"]) == 0
    with Separation(identity()).stream(8000, 1), pytest.raises(ValueError, match="has ended"):
        stream.push(noise(1, 1))
    forgotten = Separation(identity()).stream(8000, 1)
    forgotten.push(noise(10, 1))
    gone = weakref.ref(forgotten)
    del forgotten
    gc.collect()
    assert gone() is None
    for thread in threading.enumerate():
        if thread.name.endswith("(_work)"):
            thread.join(10)
    assert set(threading.enumerate()) <= before
