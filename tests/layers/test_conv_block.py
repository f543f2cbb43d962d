import numpy as np
import pytest

from tfsep.layers import ConvBlock1D


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype("float32")


def built(gated):
    """A block from 3 channels to 16 filters whose weights are all random."""
    block = ConvBlock1D(16, 5, gated)
    block.build((None, None, 3))
    block.set_weights([0.5 * noise(*weight.shape, seed=index) for index, weight in enumerate(block.weights)])
    return block


def block_of(signal, weights):
    kernel, bias, scale, offset = weights[:4]
    length = signal.shape[1] - 4
    x = sum(signal[:, tap : tap + length] @ kernel[tap] for tap in range(5)) + bias
    groups = x.reshape(len(x), length, 2, 8)
    mean, variance = (statistic(groups, axis=(1, 3), keepdims=True) for statistic in (np.mean, np.var))
    x = ((groups - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * scale + offset
    x = np.maximum(x, 0)
    if len(weights) == 4:
        return x
    gate_kernel, gate_bias = weights[4:]
    halves = x @ gate_kernel[0] + gate_bias
    return halves[..., :16] / (1 + np.exp(-halves[..., 16:]))


@pytest.mark.parametrize("gated", [True, False])
def test_is_the_formula(gated):
    block, signal = built(gated), noise(2, 50, 3)
    result = block(signal)
    assert result.shape == block.compute_output_shape(signal.shape) == (2, 46, 16)
    np.testing.assert_allclose(result, block_of(signal, block.get_weights()), atol=1e-4)


@pytest.mark.parametrize("gated", [True, False])
def test_torch_gives_the_same(gated):
    torch = pytest.importorskip("torch")
    block, signal = built(gated), noise(2, 50, 3)
    conv, norm, gate = torch.nn.Conv1d(3, 16, 5), torch.nn.GroupNorm(2, 16), torch.nn.Conv1d(16, 32, 1)
    weights = [torch.from_numpy(weight) for weight in block.get_weights()]
    with torch.no_grad():
        for layer, kernel, bias in zip((conv, norm, gate), weights[::2], weights[1::2], strict=False):
            layer.weight.copy_(kernel.permute(2, 1, 0) if kernel.ndim == 3 else kernel)
            layer.bias.copy_(bias)
        expected = torch.relu(norm(conv(torch.from_numpy(signal.transpose(0, 2, 1)))))
        if gated:
            expected = torch.nn.functional.glu(gate(expected), dim=1)
    np.testing.assert_allclose(block(signal), expected.numpy().transpose(0, 2, 1), atol=1e-4)


def test_statistics_are_float32_in_half_precision():
    # The square of the level is out of float16's range.
    block = ConvBlock1D(8, dtype="mixed_float16")
    result = np.asarray(block(1000 * noise(1, 4000, 2)), "float32")
    assert np.isfinite(result).all()
    assert result.std() > 0.1


@pytest.mark.parametrize("filters", [0, 12])
def test_wrong_filters(filters):
    with pytest.raises(ValueError, match=f"filters must be a multiple of 8. Received: filters={filters}"):
        ConvBlock1D(filters)
