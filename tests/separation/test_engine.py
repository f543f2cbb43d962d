import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep.models import UNet
from tfsep.separation import separate, separate_blocks


def run(audio, model, block_size=None, **options):
    """Return the estimates `[samples, sources, channels]` of audio in blocks."""
    block_size = block_size or len(audio)
    blocks = (audio[at : at + block_size] for at in range(0, len(audio), block_size))
    return np.concatenate(list(separate_blocks(blocks, len(audio), audio.shape[1], model, **options)))


@settings(deadline=None, max_examples=200, derandomize=True, database=None)
@given(
    samples=st.integers(1, 300),
    segment=st.integers(1, 70),
    context=st.integers(0, 20),
    overlap=st.floats(0, 0.95),
    batch_size=st.integers(1, 5),
    channels=st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 5)]),
    block_size=st.integers(1, 100),
)
def test_identity_returns_its_input(identity, samples, segment, context, overlap, batch_size, channels, block_size):
    audio = np.random.default_rng(samples).uniform(-1, 1, (samples, channels[0])).astype(np.float32)
    model = identity(segment, context, channels[1])
    estimates = run(audio, model, block_size, overlap=overlap, batch_size=batch_size)
    assert estimates.dtype == np.float32
    assert estimates.shape == (samples, 2, channels[0])
    np.testing.assert_allclose(estimates[:, 0], audio, rtol=0, atol=1e-6)
    np.testing.assert_allclose(estimates[:, 1], -audio, rtol=0, atol=1e-6)
    assert len(model.shapes) == 1


@pytest.mark.parametrize("overlap", [0, 0.25, 0.6])
@pytest.mark.parametrize("samples", [1, 50, 100, 101, 1234])
def test_context_is_real_neighbours_and_zeros_beyond_the_ends(identity, noise, samples, overlap):
    class Shift(identity):
        """Return the audio one context later, and one context earlier."""

        def separate_window(self, window):
            return {"plain": window[:, 2 * self.context :], "minus": window[:, : self.segment]}

    audio, context = noise(samples), 7
    estimates = run(audio, Shift(100, context), 64, overlap=overlap)
    padded = np.pad(audio, ((context, context), (0, 0)))
    np.testing.assert_allclose(estimates[:, 0], padded[2 * context :], rtol=0, atol=1e-6)
    np.testing.assert_allclose(estimates[:, 1], padded[:samples], rtol=0, atol=1e-6)


def test_windows_have_one_shape_whatever_the_length(identity, noise):
    model = identity(100, context=5, channels=2)
    for samples in (1, 99, 100, 101, 999):
        run(noise(samples), model, batch_size=3)
    assert model.shapes == {(3, 110, 2)}


def test_mono_model_receives_each_channel_as_an_example(identity, noise):
    class Mean(identity):
        def separate_window(self, window):
            mean = window.mean(axis=(1, 2), keepdims=True)
            return {"plain": np.broadcast_to(mean, window.shape), "minus": -window}

    audio = noise(100, channels=3) + np.float32([1, 2, 3])
    estimates = run(audio, Mean(100), batch_size=2)
    np.testing.assert_allclose(estimates[:, 0], np.tile(audio.mean(axis=0), (100, 1)), rtol=1e-5)
    np.testing.assert_allclose(estimates[:, 1], -audio, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_batches_of_a_mono_model_do_not_grow_with_the_channels(identity, noise, channels, batch_size):
    model, audio = identity(100), noise(777, channels)
    np.testing.assert_allclose(run(audio, model, batch_size=batch_size)[:, 0], audio, atol=1e-6)
    assert model.shapes == {(batch_size, 100, 1)}


def test_stereo_model_receives_mono_twice_and_its_mean_is_returned(identity, noise):
    class Unlike(identity):
        def separate_window(self, window):
            np.testing.assert_array_equal(window[..., 0], window[..., 1])
            return {"plain": window * np.float32([2, 4]), "minus": -window}

    audio = noise(250, channels=1)
    estimates = run(audio, Unlike(100, channels=2))
    np.testing.assert_allclose(estimates[:, 0], 3 * audio, rtol=1e-6)


@pytest.mark.parametrize(("audio_channels", "model_channels"), [(3, 2), (2, 3), (6, 2)])
def test_other_channels_are_an_error(identity, noise, audio_channels, model_channels):
    message = f"audio of {model_channels} channels. Received: {audio_channels} channels"
    with pytest.raises(ValueError, match=message):
        run(noise(100, audio_channels), identity(channels=model_channels))


def test_segments_are_cross_faded(identity):
    class Counting(identity):
        calls = 0

        def separate_window(self, window):
            self.calls += 1
            return {name: np.full_like(window, self.calls) for name in self.sources}

    estimates = run(np.zeros((340, 1), np.float32), Counting(100), overlap=0.2, batch_size=1)[:, 0, 0]
    # Hops of 80: the first segment, a ramp of 20 samples to the second, and so on.
    expected = np.interp(np.arange(340), [79.5, 99.5, 159.5, 179.5, 239.5, 259.5], [1, 2, 2, 3, 3, 4])
    np.testing.assert_allclose(estimates, expected, atol=1e-6)


def test_without_overlap_segments_are_adjacent(identity, noise):
    received = []

    class Recorder(identity):
        def separate_window(self, window):
            received.extend(window.copy())
            return super().separate_window(window)

    audio = noise(300, channels=1)
    run(audio, Recorder(100), overlap=0, batch_size=1)
    np.testing.assert_array_equal(received, audio.reshape(3, 100, 1))


def test_no_more_audio_is_read_than_needed(identity):
    read = 0

    def blocks():
        nonlocal read
        for _ in range(1000):
            read += 1
            yield np.zeros((50, 2), np.float32)

    done = 0
    for block in separate_blocks(blocks(), 50_000, 2, identity(100, context=10), batch_size=2):
        done += len(block)
        # At most a batch of windows is read in advance.
        assert 50 * read <= done + 400
    assert done == 50_000


def test_progress_ends_at_the_length_of_the_audio(identity, noise):
    calls = []
    run(noise(1234), identity(), progress=lambda done, samples: calls.append((done, samples)))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert len(calls) > 5
    assert calls[-1] == (1234, 1234)
    assert {call[1] for call in calls} == {1234}


@pytest.mark.parametrize("overlap", [-0.1, 1, 1.5])
def test_overlap_out_of_range_is_an_error(identity, noise, overlap):
    with pytest.raises(ValueError, match=rf"overlap={overlap}"):
        run(noise(10), identity(), overlap=overlap)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_out_of_range_is_an_error(identity, noise, batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size}"):
        run(noise(10), identity(), batch_size=batch_size)


def test_model_is_compiled_once_for_all_lengths(noise):
    model = UNet(segment=256, depth=2, filters=2, sample_rate=8000)
    for samples in (1, 100, 256, 300, 1111, 5000):
        stems = separate(noise(samples), model, 8000)
        assert list(stems) == ["vocals", "drums"]
        assert all(stem.shape == (samples, 2) and np.isfinite(stem).all() for stem in stems.values())
    assert model.compiled_separate_window.experimental_get_tracing_count() == 1


def test_many_models_in_a_process_are_no_reason_for_a_warning(noise):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("tensorflow").addHandler(handler)
    try:
        for _ in range(6):  # TensorFlow warns of the fifth trace
            separate(noise(256), UNet(segment=256, depth=1, filters=1, sample_rate=8000), 8000, wiener=1)
    finally:
        logging.getLogger("tensorflow").removeHandler(handler)
    assert lines == []


def test_estimate_of_one_segment_is_the_output_of_the_network(noise):
    model = UNet(segment=256, depth=2, filters=2, sample_rate=8000)
    audio = noise(256, channels=1)
    expected = model(audio[np.newaxis])
    stems = separate(audio, model, 8000)
    for name, stem in stems.items():
        assert np.abs(stem).max() > 0
        np.testing.assert_allclose(stem, expected[name][0], atol=1e-6)
