import keras
import numpy as np
import pytest
import tensorflow as tf
from separator_case import SeparatorCase

from tfsep.layers import magnitude
from tfsep.models import DRNN
from tfsep.models.drnn import with_neighbours

SMALL = {"sample_rate": 8000, "segment": 1024, "n_fft": 64, "hop": 32, "units": 12}
GRU = {"window": "hann", "context_frames": 1, "recurrent_layers": (1, 2, 3), "cell": "gru", "mask": "relu"}
MODERN = {
    "cell": "gru",
    "bidirectional": True,
    "residual": True,
    "normalize_frames": True,
    "dropout": 0.2,
    "compression": 0.3,
    "spectral_loss": True,
}


class TestDRNN(SeparatorCase):
    model_class = DRNN
    options = SMALL
    parameters = 2514

    def make(self, **changes) -> DRNN:
        model = super().make(**changes)
        # Ratios of outputs near zero have gradients that a first step in half precision would have to skip.
        model.network.get_layer("heads").bias.assign(np.full(len(model.sources) * model.stft.bins, 0.1))
        return model


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return DRNN(**SMALL)


def mixture(samples=1024, channels=1, examples=2):
    return np.random.default_rng(0).normal(0, 0.1, (examples, samples, channels)).astype("float32")


def test_published_parameter_counts():
    assert DRNN().count_params() == 5_569_026
    assert DRNN(hop=256, units=256, **GRU).count_params() == 1_643_010


def test_published_configuration():
    model = DRNN()
    assert [type(layer).__name__ for layer in model.network.layers[1:]] == ["Dense", "SimpleRNN", "Dense", "Dense"]
    assert {layer.activation for layer in model.network.layers[1:4]} == {keras.activations.relu}
    assert model.network.layers[4].activation is keras.activations.linear
    assert (model.stft.n_fft, model.stft.hop, model.stft.window) == (1024, 512, "sine")
    assert (model.sample_rate, model.mask, model.default_loss.gamma) == (16000, "abs", 0.05)


@pytest.mark.parametrize(
    "options", [GRU, MODERN, {"cell": "lstm"}, {"channels": 2, "sources": ("vocals", "drums", "bass")}]
)
def test_other_forms_learn(options):
    keras.utils.set_random_seed(0)
    model = DRNN(**{**SMALL, **options})
    generator = np.random.default_rng(0)
    sources = {name: generator.normal(0, 0.1, (4, 1024, model.channels)).astype("float32") for name in model.sources}
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    losses = model.fit(sum(sources.values()), sources, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert list(model(sum(sources.values()))) == list(model.sources)


@pytest.mark.parametrize("layers", [(), (1,), (3,), (1, 2, 3)])
def test_recurrence_at_chosen_layers(layers):
    network = DRNN(**SMALL, recurrent_layers=layers).network
    kinds = [isinstance(network.get_layer(f"hidden_{number}"), keras.layers.SimpleRNN) for number in (1, 2, 3)]
    assert kinds == [number in layers for number in (1, 2, 3)]


@pytest.mark.parametrize(("options", "rate"), [({}, 1e-3), ({"recurrent_layers": (1, 2, 3)}, 5e-4), (GRU, 1e-3)])
def test_rectified_recurrences_in_a_row_learn_at_half_the_rate(options, rate):
    assert DRNN(**{**options, "units": 4}).default_learning_rate == rate


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_neighbours_by_plain_numpy(count, length):
    frames = np.random.default_rng(0).normal(size=(2, length, 4)).astype("float32")
    side = count // 2
    padded = np.pad(frames, ((0, 0), (side, side), (0, 0)), mode="edge")
    expected = np.stack([padded[:, place : place + count].reshape(2, -1) for place in range(length)], axis=1)
    assert np.array_equal(with_neighbours(frames, count), expected)


@pytest.mark.parametrize("options", [{}, {"channels": 2}, {"mask": "quadratic"}, {"binary_mask": True}, MODERN])
def test_estimates_add_up_to_the_mixture(options):
    model = DRNN(**{**SMALL, **options})
    for samples in (1, 33, 5000):
        audio = mixture(samples, model.channels)
        np.testing.assert_allclose(sum(model(audio).values()), audio, atol=1e-5)


def test_estimates_in_training_are_shares_of_the_mixture_by_plain_numpy(small):
    audio = mixture()
    level, gain = small.normalize(audio)
    spectrum = np.asarray(magnitude(*small.stft(level)))[..., 0]
    network_outputs = np.asarray(small.network(np.asarray(with_neighbours(spectrum, 3))))
    voice, music = np.abs(network_outputs[..., :33]), np.abs(network_outputs[..., 33:])
    expected = (voice + 1e-7) / (voice + music + 2e-7) * spectrum * np.asarray(gain)
    np.testing.assert_allclose(small(audio, training=True)["vocals"][..., 0], expected, atol=1e-5)


def test_mixture_phase_is_kept(small):
    audio = mixture()
    estimates = small.estimate(audio)
    waveform = small.synthesize(estimates, audio)["vocals"]
    real, imaginary = (np.asarray(part) for part in small.stft(audio))
    mask = np.asarray(estimates["vocals"]) / np.maximum(np.abs(real + 1j * imaginary), 1e-6)
    expected = small.stft.inverse(mask * real, mask * imaginary, 1024)
    np.testing.assert_allclose(waveform, expected, atol=1e-5)


def test_spectral_loss_is_the_error_of_the_complex_spectrogram(small):
    spectral = DRNN(**SMALL, spectral_loss=True)
    spectral.set_weights(small.get_weights())
    voice, music = mixture(), mixture()[::-1]
    sources = {"vocals": voice, "accompaniment": music}
    estimates = small(voice + music)
    for name, audio in spectral(voice + music).items():
        np.testing.assert_allclose(audio, estimates[name], atol=1e-5)
    expected = 0
    spectrogram = complex_spectrogram(small, voice + music)
    for name, magnitudes in small(voice + music, training=True).items():
        masked = np.asarray(magnitudes) / np.maximum(np.abs(spectrogram), 1e-6) * spectrogram
        (other,) = (audio for other, audio in sources.items() if other != name)
        errors = [np.mean(np.abs(masked - complex_spectrogram(small, audio)) ** 2) for audio in (sources[name], other)]
        expected += (errors[0] - 0.05 * errors[1]) / 2  # the mean is over real and imaginary parts
    loss = spectral.compute_loss(voice + music, sources, spectral(voice + music, training=True))
    np.testing.assert_allclose(loss, expected, rtol=1e-3)


def complex_spectrogram(model, audio):
    real, imaginary = (np.asarray(part) for part in model.stft(audio))
    return real + 1j * imaginary


def test_bidirectional_form_depends_on_later_frames_and_drops_units_in_training_only():
    keras.utils.set_random_seed(0)
    model = DRNN(**SMALL, **MODERN)
    frames = np.random.default_rng(0).uniform(0.5, 1, (1, 20, 99)).astype("float32")
    changed = frames.copy()
    changed[:, -1, ::2] += 1
    assert not np.array_equal(model.network(frames)[:, 10], model.network(changed)[:, 10])
    assert np.array_equal(model.network(frames), model.network(frames))
    assert not np.array_equal(model.network(frames, training=True), model.network(frames, training=True))


def test_residual_layers_add_to_what_they_are_given():
    model = DRNN(**SMALL, residual=True, recurrent_layers=())
    for number in (2, 3):
        model.network.get_layer(f"hidden_{number}").kernel.assign(np.zeros((12, 12)))
    first = keras.Model(model.network.input, model.network.get_layer("hidden_1").output)
    frames = np.random.default_rng(0).uniform(0.5, 1, (1, 20, 99)).astype("float32")
    np.testing.assert_allclose(model.network(frames), model.network.get_layer("heads")(first(frames)), atol=1e-6)


def test_compression_is_an_exponent(small):
    model = DRNN(**SMALL, compression=0.5)
    model.set_weights(small.get_weights())
    magnitudes = np.abs(mixture(20 * 33).reshape(2, 20, 33, 1))
    np.testing.assert_allclose(model.outputs(magnitudes**2, False), small.outputs(magnitudes, False), atol=1e-5)


def test_binary_mask_acts_at_inference_alone(small):
    binary = DRNN(**SMALL, binary_mask=True)
    binary.set_weights(small.get_weights())
    audio = mixture()
    np.testing.assert_array_equal(binary(audio, training=True)["vocals"], small(audio, training=True)["vocals"])
    voice, music = (np.asarray(binary.estimate(audio)[name]) for name in binary.sources)
    assert np.all((voice == 0) | (music == 0))
    soft = small.estimate(audio)
    assert np.array_equal(voice > 0, np.asarray(soft["vocals"]) >= np.asarray(soft["accompaniment"]))


def test_channels_are_separated_one_by_one(small):
    stereo = DRNN(**SMALL, channels=2)
    stereo.set_weights(small.get_weights())
    left, right = mixture(), -0.5 * mixture()
    for estimate in stereo(np.concatenate([left, right], axis=-1)).values():
        np.testing.assert_allclose(estimate[..., 0], -2 * estimate[..., 1], atol=1e-5)


def test_later_frames_depend_on_earlier_ones_where_recurrent():
    keras.utils.set_random_seed(0)
    for layers, depends in (((), False), ((2,), True)):
        model = DRNN(**SMALL, recurrent_layers=layers)
        frames = np.random.default_rng(0).uniform(0.5, 1, (1, 20, 99)).astype("float32")
        changed = frames.copy()
        changed[:, 0] += 1
        before, after = model.network(frames), model.network(changed)
        assert (not np.array_equal(before[:, 10], after[:, 10])) == depends


def test_output_stays_bounded_over_a_long_sequence():
    model = DRNN(**SMALL)
    frames = np.random.default_rng(0).uniform(0, 1, (1, 5000, 99)).astype("float32")
    outputs = np.abs(tf.function(model.network)(frames))
    assert outputs[:, -100:].max() < 2 * outputs[:, 50:150].max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be an integer of at least 1. Received: units=0"),
        ({"context_frames": 2}, "context_frames must be odd. Received: context_frames=2"),
        ({"recurrent_layers": (4,)}, r"recurrent_layers must be some of 1 to hidden_layers=3, .* Received: \(4,\)"),
        ({"recurrent_layers": 2}, r"recurrent_layers must be some of 1 to hidden_layers=3, .* Received: 2"),
        ({"cell": ["gru"]}, r"cell must be one of .*Received: cell=\['gru'\]"),
        ({"cell": "tanh"}, "cell must be one of .* Received: cell='tanh'"),
        ({"compression": 2.0}, "compression must be a number above 0 and at most 1. Received: compression=2.0"),
        ({"compression": 0}, "compression must be a number above 0"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1. Received: dropout=1.0"),
        ({"units": 11, "bidirectional": True}, "units must be even where bidirectional=True. Received: units=11"),
        ({"mask": "soft"}, "mask must be one of .* Received: mask='soft'"),
        ({"window": "kaiser"}, "window must be 'hann' or 'sine'. Received: window='kaiser'"),
        ({"hop": 64}, "hop must be from 1 to n_fft / 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        DRNN(**{**SMALL, **arguments})
    assert "\n" not in str(error.value)
