import keras
import numpy as np
import pytest
from separator_case import SlowToTraceCase

from tfsep.layers import magnitude
from tfsep.losses import ConvSepLoss
from tfsep.models import ConvSep

SMALL = {"sample_rate": 8000, "segment": 1024, "n_fft": 64, "hop": 32, "frames": 10, "filters": (6, 5)}
SMALL |= {"horizontal": (5, 1), "units": 8}
BLOCKS = {"blocks": 2, "compression": 0.5}
SMALL_BLOCKS = {**SMALL, **BLOCKS}
TIED = {"channels": 1, "tied": True}
PLACES = "horizontal must be at most 10 frames and 1 places, which frames, vertical, stride and pool leave"
IKALA = {**TIED, "vertical": 6, "stride": 3, "pool": 3, "horizontal": (3, 2)}


class TestConvSep(SlowToTraceCase):
    model_class = ConvSep
    options = SMALL
    # 33 bins x 2 channels -> 6 -> (5 frames) 5 -> 8 -> 4 x (6 frames x 5 -> 6 -> 66).
    parameters = (66 * 6 + 6) + (5 * 6 * 5 + 5) + (30 * 8 + 8) + 4 * ((8 * 30 + 30) + (5 * 5 * 6 + 6) + (66 * 6 + 2))

    def make(self, **changes) -> ConvSep:
        model = super().make(**changes)
        # Ratios of outputs near zero have gradients that a first step in half precision would have to skip.
        for number in range(1, len(model.sources) + 1):
            model.network.get_layer(f"decoder_{number}_vertical").bias.assign(np.full(model.channels, 0.3))
        return model


@pytest.mark.slow
class TestConvSepWithBlocks(TestConvSep):
    options = SMALL_BLOCKS
    # A convolution with its batch normalisation, and two blocks; decoders without the dense layer's 6 frames.
    parameters = (66 * 6 + 5 * 6) + (5 * 6 * 5 + 5 * 5) + 2 * (3 * 5 * 5 + 5 * 5)
    parameters += 4 * ((5 * 5 + 5) + (5 * 5 * 6 + 5 * 6) + (66 * 6 + 2))


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return ConvSep(**SMALL)


def mixture(samples=1024, channels=2, examples=2):
    return np.random.default_rng(0).normal(0, 0.1, (examples, samples, channels)).astype("float32")


def test_published_parameter_count():
    assert ConvSep().count_params() == 678_536


def test_published_configuration():
    model = ConvSep()
    assert (model.sample_rate, model.channels, model.mask) == (44100, 2, "relu")
    assert (model.stft.n_fft, model.stft.hop, model.stft.window) == (1024, 256, "hann")
    shapes = {layer.name: layer.output.shape[1:] for layer in model.network.layers}
    assert shapes["magnitudes"] == (30, 513, 2)
    assert shapes["vertical"] == (30, 1, 50)
    assert shapes["horizontal"] == (16, 1, 30)
    assert shapes["bottleneck"] == (128,)
    for number in (1, 2, 3, 4):
        assert shapes[f"decoder_{number}_dense"] == (480,)
        assert shapes[f"decoder_{number}_horizontal"] == (30, 1, 50)
        assert shapes[f"decoder_{number}_vertical"] == (30, 513, 2)
    rectified = [layer.name for layer in model.network.layers if getattr(layer, "activation", None)]
    assert rectified == ["bottleneck", *(f"decoder_{number}_dense" for number in (1, 2, 3, 4))]
    assert all(model.network.get_layer(name).activation is keras.activations.relu for name in rectified)
    # A window is whole patches: none is filled up with zeros.
    assert model.stft(mixture(model.segment, examples=1))[0].shape[1] == 8 * 30
    loss = model.default_loss
    assert (loss.sources, loss.alpha, loss.beta, loss.beta_vocals) == (model.sources, 0.001, 0.01, 0.03)


def test_dsd100_form_by_first_principles():
    encoder = (513 * 50 + 50) + (15 * 50 * 50 + 50)
    flat = (30 - 15 + 1) * 50
    # Kernels are the encoder's; one bias for each source's channel is left.
    decoders = 4 * (128 * flat + flat + 1)
    model = ConvSep(channels=1, hop=512, filters=(50, 50), tied=True)
    assert model.count_params() == encoder + (flat * 128 + 128) + decoders


def test_ikala_form_by_first_principles():
    places = ((513 - 30) // 3 + 1) // 4
    assert places == 40
    encoder = (30 * 30 + 30) + (10 * 20 * 30 * 30 + 30)
    flat = (30 - 10 + 1) * (places - 20 + 1) * 30
    decoders = 2 * (256 * flat + flat + 1)
    options = {"vertical": 30, "stride": 3, "pool": 4, "horizontal": (10, 20), "units": 256}
    model = ConvSep(("vocals", "accompaniment"), channels=1, hop=512, filters=(30, 30), tied=True, **options)
    assert model.count_params() == encoder + (flat * 256 + 256) + decoders


@pytest.mark.parametrize(
    "options",
    [
        {},
        BLOCKS,
        IKALA,
        *(
            pytest.param(other, marks=pytest.mark.slow)
            for other in (TIED, {**TIED, "channels": 2}, {"sources": ("a", "b")})
        ),
    ],
)
def test_forms_learn_and_reload(options, tmp_path):
    keras.utils.set_random_seed(0)
    model = ConvSep(**{**SMALL, **options})
    generator = np.random.default_rng(0)
    sources = {name: generator.normal(0, 0.1, (4, 1024, model.channels)).astype("float32") for name in model.sources}
    mixed = sum(sources.values())
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    losses = model.fit(mixed, sources, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.count_params() == model.count_params()
    for name, estimate in model(mixed).items():
        np.testing.assert_array_equal(loaded(mixed)[name], estimate)


@pytest.mark.parametrize("kernel", ["vertical", "horizontal"])
@pytest.mark.parametrize("form", [TIED, IKALA])
def test_tied_decoders_follow_the_encoder(form, kernel):
    keras.utils.set_random_seed(0)
    network = ConvSep(**{**SMALL, **form}).network
    assert all(
        network.get_layer(f"decoder_{number}_{kernel}").kernel is network.get_layer(kernel).kernel
        for number in (1, 2, 3, 4)
    )


@pytest.mark.parametrize("options", [{}, BLOCKS, IKALA, {"mask": "quadratic"}, {"binary_mask": True}, {"frames": 7}])
def test_estimates_add_up_to_the_mixture(options):
    keras.utils.set_random_seed(0)
    model = ConvSep(**{**SMALL, **options})
    for samples in (1, 33, 5000):
        audio = mixture(samples, model.channels)
        np.testing.assert_allclose(sum(model(audio).values()), audio, atol=1e-5)


def test_network_receives_patches_of_normalised_magnitudes_by_plain_numpy(small):
    audio = mixture(2000)
    spectrum = np.asarray(magnitude(*small.stft(audio)))
    level = np.sqrt(np.mean(audio**2, axis=(1, 2))).reshape(-1, 1, 1, 1)
    inputs = 0.1 * spectrum / level / 8 * (1 + np.arange(33) * 8000 / 64 / 100)[:, None]
    frames = spectrum.shape[1]
    padded = np.pad(inputs, ((0, 0), (0, -frames % 10), (0, 0), (0, 0)))
    patches = padded.reshape(2, -1, 10, 33, 2)
    outputs = np.stack([np.asarray(small.network(patches[:, number])) for number in range(patches.shape[1])], axis=2)
    outputs = np.maximum(outputs.reshape(4, 2, -1, 33, 2)[:, :, :frames], 0) + 1e-7
    expected = outputs / outputs.sum(axis=0) * spectrum
    estimates = small(audio, training=True)
    for index, name in enumerate(small.sources):
        np.testing.assert_allclose(estimates[name], expected[index], atol=1e-4)


@pytest.mark.parametrize("frames", [10, 7])
@pytest.mark.parametrize("total", [1, 9, 10, 23])
def test_overlapping_patches_cross_fade_by_plain_numpy(frames, total):
    keras.utils.set_random_seed(0)
    model = ConvSep(**{**SMALL, "frames": frames})
    spectrum = np.random.default_rng(0).uniform(0, 1, (1, total, 33, 2)).astype("float32")
    expected, norm = np.zeros((4, 1, total, 33, 2)), np.zeros(total)
    for first in range(-(frames // 2), total, 1):
        if first % frames not in (0, frames - frames // 2):
            continue
        inside = [(place, first + place) for place in range(frames) if 0 <= first + place < total]
        patch = np.zeros((1, frames, 33, 2), "float32")
        for place, frame in inside:
            patch[:, place] = spectrum[:, frame]
        masks = np.asarray(model.masks(patch, training=True))
        for place, frame in inside:
            weight = min(place + 1, frames - place)
            expected[:, :, frame] += weight * masks[:, :, place]
            norm[frame] += weight
    assert (norm > 0).all()
    found = np.asarray(model.masks(spectrum, training=False))
    np.testing.assert_allclose(found, expected / norm[:, None, None], atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_pooling_is_undone_where_the_largest_stood():
    keras.utils.set_random_seed(0)
    model = ConvSep(**{**SMALL, **IKALA})
    network = model.network
    probe = keras.Model(
        network.input,
        [
            network.get_layer("vertical").output,
            network.get_layer("decoder_1_horizontal").output,
            network.get_layer("decoder_1_vertical").input,
        ],
    )
    before, pooled, unpooled = (np.asarray(x) for x in probe(np.random.default_rng(0).uniform(size=(2, 10, 33, 1))))
    assert before.shape == unpooled.shape == (2, 10, 10, 6)
    assert pooled.shape == (2, 10, 3, 6)
    largest = before[:, :, :9].reshape(2, 10, 3, 3, 6).argmax(axis=3)
    groups = unpooled[:, :, :9].reshape(2, 10, 3, 3, 6)
    np.testing.assert_allclose(np.take_along_axis(groups, largest[:, :, :, None], axis=3)[:, :, :, 0], pooled)
    assert np.count_nonzero(groups) == np.count_nonzero(pooled)
    assert not unpooled[:, :, 9:].any()


def test_blocks_depend_on_more_than_one_kernel():
    keras.utils.set_random_seed(0)
    for blocks, reach in ((1, 1), (3, 7)):  # dilations 1, 2, 4
        model = ConvSep(**{**SMALL, "frames": 40, "horizontal": (1, 1), "blocks": blocks})
        patch = np.random.default_rng(0).uniform(size=(1, 40, 33, 2)).astype("float32")
        changed = patch.copy()
        changed[:, 20] += 1
        moved = np.abs(np.asarray(model.network(changed)) - np.asarray(model.network(patch))).max(axis=(0, 1, 3, 4))
        moved = np.flatnonzero(moved > 1e-6)
        # Rectified units may be silent at either end.
        assert reach - 1 <= np.abs(moved - 20).max() <= reach


def test_compression_is_an_exponent(small):
    compressed = ConvSep(**SMALL, compression=0.5)
    compressed.set_weights(small.get_weights())
    spectrum = np.random.default_rng(0).uniform(0.1, 1, (1, 10, 33, 2)).astype("float32")
    tilt = 1 + np.arange(33)[:, None] * 1.25
    # The root of tilt * x / 8 is what the other network receives for that root itself.
    root = np.sqrt(tilt * spectrum / 8)
    np.testing.assert_allclose(
        compressed.outputs(spectrum, False), small.outputs((root * 8 / tilt).astype("float32"), False), atol=1e-4
    )


def test_masks_of_channels_differ(small):
    estimates = small.estimate(mixture())
    ratio = np.asarray(estimates["vocals"]) / np.asarray(sum(estimates.values()))
    assert np.abs(ratio[..., 0] - ratio[..., 1]).max() > 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be an integer of at least 1. Received: units=0"),
        ({"frames": 0}, "frames must be an integer of at least 1. Received: frames=0"),
        ({"blocks": -1}, "blocks must be an integer of at least 0. Received: blocks=-1"),
        ({"filters": (5,)}, r"filters must be a pair of integers. Received: filters=\(5,\)"),
        ({"filters": (5, 0)}, "filters must be an integer of at least 1. Received: filters=0"),
        ({"vertical": 34}, "vertical must be at most the 33 bins of a frame. Received: vertical=34"),
        ({"vertical": 6, "stride": 2}, "stride must divide bins - vertical = 27, .*Received: stride=2"),
        ({"horizontal": (11, 1)}, rf"{PLACES}\. Received: horizontal=\(11, 1\)"),
        ({"horizontal": (5, 2)}, rf"{PLACES}\. Received: horizontal=\(5, 2\)"),
        ({"compression": 0.0}, r"compression must be a number above 0 and at most 1. Received: compression=0.0"),
        ({"compression": "half"}, r"compression must be a number above 0 and at most 1. Received: compression='half'"),
        ({"filters": 50}, "filters must be a pair of integers. Received: filters=50"),
        ({"mask": "soft"}, "mask must be one of .* Received: mask='soft'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        ConvSep(**{**SMALL, **arguments})
    assert "\n" not in str(error.value)


def test_the_loss_must_be_for_the_sources_in_their_order(small):
    small.compile("adam", loss=ConvSepLoss(small.sources[::-1]))
    with pytest.raises(ValueError, match=r"The loss is for \['other', .* The model's sources are \['vocals', "):
        small.train_on_batch(mixture(), dict.fromkeys(small.sources, mixture() / 4))


def test_default_loss_is_for_the_model_s_sources():
    model = ConvSep(**{**SMALL, "sources": ("bass", "accompaniment")})
    assert isinstance(model.default_loss, ConvSepLoss)
    assert model.default_loss.sources == ("bass", "accompaniment")
