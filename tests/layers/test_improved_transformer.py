import keras
import numpy as np
import pytest

from tfsep.layers import ImprovedTransformer

CHANNELS, UNITS, HEADS = 8, 6, 2


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype("float32")


def built(recurrent_layers=1, dropout=0.0):
    """A layer whose weights are all random."""
    layer = ImprovedTransformer(UNITS, HEADS, recurrent_layers, dropout)
    layer.build((None, None, CHANNELS))
    layer.set_weights([0.5 * noise(*weight.shape, seed=index) for index, weight in enumerate(layer.weights)])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def attention(x, weights):
    (query, query_bias), (key, key_bias), (value, value_bias), (output, output_bias) = weights
    queries, keys, values = (
        np.einsum("btc,chd->bhtd", x, kernel) + bias[:, np.newaxis]
        for kernel, bias in ((query, query_bias), (key, key_bias), (value, value_bias))
    )
    scores = np.exp(queries @ keys.swapaxes(2, 3) / np.sqrt(CHANNELS / HEADS))
    heads = scores / scores.sum(axis=-1, keepdims=True) @ values
    return np.einsum("bhtd,hdc->btc", heads, output) + output_bias


def lstm(x, kernel, recurrent, bias):
    hidden = cell = np.zeros((len(x), UNITS))
    steps = []
    for time in range(x.shape[1]):
        gates = x[:, time] @ kernel + hidden @ recurrent + bias
        enter, forget, new, leave = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(leave) * np.tanh(cell)
        steps.append(hidden)
    return np.stack(steps, axis=1)


def normalized(x, scale, offset):
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset


def values(layer):
    return [np.asarray(weight) for weight in layer.weights]


def transformer_of(x, layer):
    projections = values(layer.attention)
    attended = attention(x, list(zip(projections[::2], projections[1::2], strict=True)))
    x = normalized(x + attended, *values(layer.norms[0]))
    y = x
    for bidirectional in layer.lstms:
        backward = lstm(y[:, ::-1], *values(bidirectional.backward_layer))[:, ::-1]
        y = np.concatenate([lstm(y, *values(bidirectional.forward_layer)), backward], axis=-1)
    kernel, bias = values(layer.dense)
    return normalized(x + np.maximum(y, 0) @ kernel + bias, *values(layer.norms[1]))


@pytest.mark.parametrize("recurrent_layers", [1, 2])
def test_is_the_formula(recurrent_layers):
    layer, signal = built(recurrent_layers), noise(3, 11, CHANNELS)
    np.testing.assert_allclose(layer(signal), transformer_of(signal, layer), atol=1e-4)


def test_recurs_over_time_and_not_over_the_batch():
    layer, signal = built(), noise(3, 11, CHANNELS)
    together = np.asarray(layer(signal))
    for example in range(3):
        np.testing.assert_allclose(layer(signal[example : example + 1])[0], together[example], atol=1e-5)
    # Attention alone would let a permutation of the steps through to the output.
    order = np.random.default_rng(0).permutation(11)
    assert np.abs(np.asarray(layer(signal[:, order])) - together[:, order]).max() > 0.1


def test_drops_in_training_only():
    keras.utils.set_random_seed(0)
    layer, signal = built(dropout=0.5), noise(2, 11, CHANNELS)
    np.testing.assert_array_equal(layer(signal), layer(signal))
    np.testing.assert_allclose(layer(signal), built()(signal), atol=1e-6)
    assert np.abs(np.asarray(layer(signal, training=True)) - np.asarray(layer(signal))).max() > 0.1


@pytest.mark.parametrize("recurrent_layers", [1, 3])
def test_torch_gives_the_same(recurrent_layers):
    torch = pytest.importorskip("torch")
    layer, signal = built(recurrent_layers), noise(3, 11, CHANNELS)
    with torch.no_grad():
        expected = torch_transformer(torch, layer)(torch.from_numpy(signal))
    np.testing.assert_allclose(layer(signal), expected.numpy(), atol=1e-4)


def torch_transformer(torch, layer):
    """The same layer in PyTorch, with the weights of a layer of ours."""
    channels, units = layer.dense.units, layer.units
    attention = torch.nn.MultiheadAttention(channels, layer.heads, batch_first=True)
    lstm = torch.nn.LSTM(channels, units, len(layer.lstms), batch_first=True, bidirectional=True)
    dense = torch.nn.Linear(2 * units, channels)
    norms = [torch.nn.LayerNorm(channels) for _ in range(2)]

    def copy(parameter, array):
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))

    with torch.no_grad():
        *projections, output, output_bias = values(layer.attention)
        copy(attention.in_proj_weight, np.concatenate([p.reshape(channels, channels).T for p in projections[::2]]))
        copy(attention.in_proj_bias, np.concatenate([p.ravel() for p in projections[1::2]]))
        copy(attention.out_proj.weight, output.reshape(channels, channels).T)
        copy(attention.out_proj.bias, output_bias)
        for index, bidirectional in enumerate(layer.lstms):
            for ours, suffix in ((bidirectional.forward_layer, ""), (bidirectional.backward_layer, "_reverse")):
                kernel, recurrent, bias = values(ours)
                copy(getattr(lstm, f"weight_ih_l{index}{suffix}"), kernel.T)
                copy(getattr(lstm, f"weight_hh_l{index}{suffix}"), recurrent.T)
                # PyTorch adds up two biases where Keras has one.
                copy(getattr(lstm, f"bias_ih_l{index}{suffix}"), bias)
                getattr(lstm, f"bias_hh_l{index}{suffix}").zero_()
        for theirs, ours in zip((dense, *norms), (layer.dense, *layer.norms), strict=True):
            weight, bias = values(ours)
            copy(theirs.weight, weight.T)
            copy(theirs.bias, bias)

    def run(x):
        x = norms[0](x + attention(x, x, x, need_weights=False)[0])
        return norms[1](x + dense(torch.relu(lstm(x)[0])))

    return run


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match=r"heads must divide the 9 channels. Received: heads=2"):
        ImprovedTransformer(UNITS, 2)(noise(1, 4, 9))
