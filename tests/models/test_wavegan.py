import keras
import numpy as np
import pytest

from tfsep.layers import PhaseShuffle
from tfsep.models.wavegan import (
    cyclic_generator,
    default_blocks,
    run,
    total_stride,
    wavegan_discriminator,
)

LENGTHS = (16384, 32768, 65536)


def trainable(network) -> int:
    return sum(weight.numpy().size for weight in network.trainable_weights)


def shapes(network, kind, length) -> list[tuple]:
    layers = [layer for layer in network.layers if layer.name.endswith(kind)]
    outputs = keras.Model(network.input, [layer.output for layer in layers])
    return [shape[1:] for shape in outputs.compute_output_shape((1, length, 1))]


class TestPublished:
    def test_parameters_of_the_generator(self):
        network = cyclic_generator()
        assert trainable(network) == 5_924_225
        assert network.count_params() == 5_924_225 + 4_096

    @pytest.mark.parametrize(("batch_normalization", "parameters"), [(False, 17_427_969), (True, 17_431_937)])
    def test_parameters_of_the_discriminator(self, batch_normalization, parameters):
        assert trainable(wavegan_discriminator(batch_normalization=batch_normalization)) == parameters

    def test_shapes_of_the_generator(self):
        network = cyclic_generator()
        down, up = [(4096, 64), (1024, 128)], [(4096, 64), (16384, 1)]
        assert shapes(network, "_conv", 16384) == down + [(1024, 128)] * 16 + up
        kernels = [layer.kernel_size for layer in network.layers if layer.name.endswith("_conv")]
        assert kernels == [(25,)] * 2 + [(21,)] * 16 + [(25,)] * 2

    def test_shapes_of_the_discriminator(self):
        expected = [(4096, 64), (1024, 128), (256, 256), (64, 512), (16, 1024)]
        assert shapes(wavegan_discriminator(), "_conv", 16384) == expected

    def test_no_activation_in_the_generators_decoder(self):
        names = [layer.name for layer in cyclic_generator(256, filters=2, blocks=1).layers]
        assert names[-3:] == ["residual_1_add", "up_2_conv", "up_1_conv"]

    def test_slopes_and_weights(self):
        networks = (cyclic_generator(256, filters=32, blocks=1), wavegan_discriminator(256, filters=32))
        for layer in (layer for network in networks for layer in network.layers):
            if isinstance(layer, keras.layers.LeakyReLU):
                assert layer.negative_slope == pytest.approx(0.2)
            if isinstance(layer, keras.layers.Conv1D) and layer.kernel.numpy().size > 5000:
                assert np.std(layer.kernel) == pytest.approx(0.02, rel=0.05)
                assert not np.any(layer.bias)

    def test_phase_shuffle_after_all_but_the_last_convolution(self):
        layers = [layer for layer in wavegan_discriminator().layers if isinstance(layer, PhaseShuffle)]
        assert [(layer.name, layer.radius) for layer in layers] == [
            (f"down_{level}_shuffle", 2) for level in (1, 2, 3, 4)
        ]


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths(length):
    generator = cyclic_generator(length, filters=2)
    names = [layer.name for layer in generator.layers]
    assert sum(name.endswith("_add") for name in names) == default_blocks(length) == (8 if length == 16384 else 9)
    # Residual blocks see 1,024 frames, discriminators decide on 16.
    assert set(shapes(generator, "_add", length)) == {(1024, 4 if length == 16384 else 8)}
    assert shapes(wavegan_discriminator(length, filters=2), "_conv", length)[-1][0] == 16
    audio = np.random.default_rng(0).normal(0, 0.1, (1, length, 1)).astype("float32")
    assert run(generator, audio, False).shape == (1, length, 1)
    assert run(wavegan_discriminator(length, filters=2), audio, True).shape == (1, 1)


def test_a_generator_takes_any_multiple_of_its_stride():
    network = cyclic_generator(32768, channels=2, filters=2, blocks=1)
    assert total_stride(32768) == 32
    assert run(network, np.ones((3, 5 * 32, 2), "float32"), False).shape == (3, 5 * 32, 2)


def test_convolutions_are_centred_as_the_original_ones():
    """Output t of stride 4 sees samples 4t - 11 to 4t + 13."""
    network = cyclic_generator(256, filters=2, blocks=1)
    conv = network.get_layer("down_1_conv")
    audio = np.random.default_rng(0).normal(size=256).astype("float32")
    output = keras.Model(network.input, conv.output)(audio[None, :, None])[0]
    padded = np.pad(audio, 11)
    expected = [padded[4 * t : 4 * t + 25] @ conv.kernel.numpy()[:, 0] for t in range(64)]
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_a_block_without_effect_is_the_identity():
    network = cyclic_generator(256, filters=2, blocks=2)
    before, after = (network.get_layer(name).output for name in ("down_2_activation", "residual_2_add"))
    for block in (1, 2):
        network.get_layer(f"residual_{block}b_norm").gamma.assign(np.zeros(4))
    inputs, outputs = keras.Model(network.input, [before, after])(np.ones((1, 256, 1), "float32"))
    np.testing.assert_array_equal(inputs, outputs)


def test_stereo():
    audio = np.ones((2, 256, 2), "float32")
    assert run(cyclic_generator(256, 2, 2, 1), audio, False).shape == (2, 256, 2)
    assert run(wavegan_discriminator(256, 2, 2), audio, False).shape == (2, 1)
