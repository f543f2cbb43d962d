"""The whole network against a PyTorch twin that is written with the operations of the original."""

import functools

import keras
import numpy as np
import pytest

from tfsep.models import WaveUNet

torch = pytest.importorskip("torch")
functional = torch.nn.functional


class Twin:
    """The Wave-U-Net with the bottleneck `"conv"` on `[batch, channels, samples]`, with the weights of a model."""

    def __init__(self, model):
        self.depth = len(model.size) - 1
        self.network = model.network

    def of(self, layer, path):
        """A weight of a layer, such as `"conv.kernel"`."""
        weight = functools.reduce(getattr, path.split("."), self.network.get_layer(layer))
        return torch.tensor(np.asarray(weight))

    def block(self, x, name, transposed=False):
        kernel, bias = self.of(name, "conv.kernel"), self.of(name, "conv.bias")
        if transposed:
            # The way up of the original: a transposed convolution cropped to the valid part, its kernel reversed.
            x = functional.conv_transpose1d(x, kernel.permute(1, 2, 0).flip(2), bias, padding=len(kernel) - 1)
        else:
            x = functional.conv1d(x, kernel.permute(2, 1, 0), bias)
        x = functional.group_norm(x, x.shape[1] // 8, self.of(name, "norm.gamma"), self.of(name, "norm.beta"), 1e-5)
        x = torch.relu(x)
        if transposed:
            return x
        gate = functional.conv1d(x, self.of(name, "gate.kernel").permute(2, 1, 0), self.of(name, "gate.bias"))
        return functional.glu(gate, dim=1)

    def filters(self, name):
        return self.of(name, "filter").T[:, None]

    def down(self, x, name):
        filters = self.filters(name)
        half = filters.shape[2] // 2
        return functional.conv1d(functional.pad(x, (half, half), "reflect"), filters, stride=4, groups=len(filters))

    def up(self, x, name):
        filters = self.filters(name)
        half = filters.shape[2] // 2
        y = functional.pad(x, (half, half), "reflect")
        y = functional.conv_transpose1d(y, filters, stride=4, groups=len(filters))
        return self.centre(y, 4 * (x.shape[2] - 1) + 1)

    def centre(self, x, length):
        cut = (x.shape[2] - length) // 2
        return x[:, :, cut : cut + length]

    def __call__(self, x):
        skips = []
        for level in range(1, self.depth + 1):
            skips.append(self.block(x, f"down_{level}_block_1"))
            x = self.down(self.block(skips[-1], f"down_{level}_block_2"), f"down_{level}_resample")
        x = self.block(x, "bottleneck")
        for level in range(self.depth, 0, -1):
            x = self.block(self.up(x, f"up_{level}_resample"), f"up_{level}_block_1", transposed=True)
            x = torch.cat([self.centre(skips[level - 1], x.shape[2]), x], dim=1)
            x = self.block(x, f"up_{level}_block_2", transposed=True)
        return functional.conv1d(x, self.of("output", "kernel").permute(2, 1, 0), self.of("output", "bias"))


def test_torch_gives_the_same():
    keras.utils.set_random_seed(0)
    model = WaveUNet(sources=("a", "b"), segment=265, size=(8, 16, 32), bottleneck="conv")
    generator = np.random.default_rng(0)
    model.set_weights([weight + generator.normal(0, 0.05, weight.shape) for weight in model.get_weights()])
    mixture = generator.normal(0, 0.1, (2, model.input_length(265), 2)).astype("float32")
    expected = Twin(model)(torch.from_numpy(mixture.transpose(0, 2, 1))).numpy().transpose(0, 2, 1)
    np.testing.assert_allclose(model.network(mixture), expected, atol=1e-4)
    assert np.abs(expected).max() > 0.1
