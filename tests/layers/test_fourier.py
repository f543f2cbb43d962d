import keras
import numpy as np
import pytest
import tensorflow as tf

from tfsep.layers import STFT, CentredSTFT, SegmentSTFT, frame, irfft, overlap_add, real_valued, rfft


def noise(*shape):
    return np.random.default_rng(0).normal(0, 0.3, shape).astype("float32")


@pytest.mark.parametrize("size", [1, 2, 7, 15, 64, 100, 194, 441, 1024, 4096])
def test_products_give_the_transform_of_numpy_and_its_inverse(size):
    frames = noise(2, 3, size)
    with real_valued():
        parts = rfft(frames)
        back = irfft(*parts, size)
    expected = np.fft.rfft(frames.astype("float64"))
    np.testing.assert_allclose(np.asarray(parts[0]) + 1j * np.asarray(parts[1]), expected, atol=6e-7 * size**0.5)
    np.testing.assert_allclose(back, frames, atol=1e-6)


def test_inverse_ignores_the_imaginary_part_of_real_bins():
    real, imaginary = noise(1, 9), noise(1, 9)
    with real_valued():
        frames = irfft(real, imaginary, 16)
    np.testing.assert_allclose(frames, np.fft.irfft(real + 1j * imaginary), atol=1e-6)


@pytest.mark.parametrize(("samples", "size", "hop"), [(10, 4, 2), (11, 4, 3), (7, 7, 7), (8, 5, 1)])
def test_frames_are_those_of_slices_and_add_up(samples, size, hop):
    signal = noise(2, samples)
    frames = np.asarray(frame(signal, size, hop))
    starts = range(0, samples - size + 1, hop)
    np.testing.assert_array_equal(frames, np.stack([signal[:, start : start + size] for start in starts], axis=1))
    total = np.zeros_like(signal)
    for index, start in enumerate(starts):
        total[:, start : start + size] += frames[:, index]
    added = np.asarray(overlap_add(frames, hop))
    assert added.shape[1] % hop == 0
    length = min(samples, added.shape[1])
    np.testing.assert_allclose(added[:, :length], total[:, :length], atol=1e-6)
    assert not added[:, length:].any()


LAYERS = [
    (STFT(64, 16), (1000,)),
    (STFT(100, 30, "sine"), (1000,)),
    (CentredSTFT(64, 16), (1000,)),
    (SegmentSTFT(1000, 64, 20), ()),
    (SegmentSTFT(1000, 64, 16, centred=False), ()),
]


@pytest.mark.parametrize(("layer", "length"), LAYERS)
def test_graphs_of_layers_have_no_complex_tensor_and_the_same_numbers(layer, length):
    @tf.function(input_signature=[tf.TensorSpec((1, 1000, 2))])
    def graph(signal):
        real, imaginary = layer(signal)
        return real, imaginary, layer.inverse(real, 0.5 * imaginary, *length)

    with real_valued():
        concrete = graph.get_concrete_function()
    tensors = [tensor for operation in concrete.graph.get_operations() for tensor in operation.outputs]
    assert not any(tensor.dtype.is_complex for tensor in tensors)
    assert max(len(tensor.shape) for tensor in tensors) <= 5
    signal = noise(1, 1000, 2)
    real, imaginary = layer(signal)
    for found, expected in zip(
        concrete(tf.constant(signal)), (real, imaginary, layer.inverse(real, 0.5 * imaginary, *length)), strict=True
    ):
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(expected), atol=5e-6)
