"""Weights carried over to a model of other sources, by name."""

import keras
import numpy as np
import pytest

from tfsep.models import CRN, DRNN, ClassicWaveUNet, ConvSep, CycleGAN, Separator, UNet, WaveUNet
from tfsep.training.transfer import carry_over

FFT = {"sample_rate": 8000, "segment": 256, "n_fft": 32, "hop": 16}
CONVSEP = {**FFT, "frames": 4, "filters": (2, 3), "horizontal": (2, 1), "units": 2}
BEFORE, AFTER = ("vocals", "drums", "bass"), ("bass", "guitar", "vocals")


def make(kind, sources, seed, **options) -> Separator:
    keras.utils.set_random_seed(seed)
    return kind(sources, **{"sample_rate": 8000, **options})


def arrays(model) -> dict:
    return {weight.path: weight.numpy() for weight in model.weights}


def is_head(path: str, word: str) -> bool:
    return path.split("/")[-2].startswith(word)


@pytest.mark.parametrize(
    ("kind", "options", "head", "size", "estimated"),
    [
        (WaveUNet, {"segment": 265, "size": (8, 8, 8), "bottleneck": "conv"}, "output", 2, 3),
        (WaveUNet, {"segment": 265, "size": (8, 8, 8), "bottleneck": "conv", "difference": True}, "output", 2, 2),
        (ClassicWaveUNet, {"segment": 32, "filters": 2, "depth": 1, "difference": True}, "output", 2, 2),
        (DRNN, {**FFT, "units": 4}, "heads", 17, 3),
        (CRN, {**FFT, "filters": (2, 2), "units": 2}, "output", 1, 3),
    ],
    ids=["waveunet", "waveunet-difference", "classic-difference", "drnn", "crn"],
)
def test_channels_of_the_last_layer(caplog, kind, options, head, size, estimated):
    start, model = make(kind, BEFORE, 0, **options), make(kind, AFTER, 1, **options)
    theirs, fresh = arrays(start), arrays(model)
    carry_over(start, model, "start")
    for path, found in arrays(model).items():
        if not is_head(path, head):
            np.testing.assert_array_equal(found, theirs[path], err_msg=path)
            continue
        # One block of channels a source.
        found, given, initial = (w.reshape(-1, estimated, size) for w in (found, theirs[path], fresh[path]))
        for index, source in enumerate(AFTER[:estimated]):
            known = source in BEFORE[:estimated]
            expected = given[:, BEFORE.index(source)] if known else initial[:, index]
            np.testing.assert_array_equal(found[:, index], expected, err_msg=f"{path} {source}")
    expected = {
        3: "start: weights of bass, vocals carried over by name; guitar initialised anew.",
        2: "start: no source of that name to carry over; bass, guitar initialised anew.",
    }
    assert caplog.messages == [expected[estimated]]


def decoders(sources) -> list[str]:
    return [f"decoder_{number}_" for number in range(1, len(sources) + 1)]


@pytest.mark.parametrize(
    ("kind", "options", "heads"),
    [
        (UNet, {"segment": 64, "filters": 2, "depth": 1}, lambda sources: [f"head_{name}" for name in sources]),
        (ConvSep, CONVSEP, decoders),
        (
            ConvSep,
            {**CONVSEP, "tied": True, "blocks": 1},
            decoders,
        ),
    ],
    ids=["unet", "convsep", "convsep-tied"],
)
def test_layers_of_a_source(kind, options, heads):
    start, model = make(kind, BEFORE, 0, **options), make(kind, AFTER, 1, **options)
    theirs, fresh = arrays(start), arrays(model)
    carry_over(start, model, "start")
    known = dict(zip(AFTER, heads(AFTER), strict=True))
    for path, found in arrays(model).items():
        source = next((source for source, head in known.items() if is_head(path, head)), None)
        if source == "guitar":
            expected = fresh[path]
        elif source is None:
            expected = theirs[path]
        else:
            expected = theirs[path.replace(known[source], heads(BEFORE)[BEFORE.index(source)])]
        np.testing.assert_array_equal(found, expected, err_msg=path)


@pytest.mark.parametrize(
    ("sources", "kept"), [(("vocals", "rest"), True), (("accompaniment", "vocals"), False)], ids=["kept", "swapped"]
)
def test_the_generator_of_another_target(sources, kept):
    options = {"segment": 256, "filters": 2, "blocks": 1}
    start = make(CycleGAN, ("vocals", "accompaniment"), 0, **options)
    model = make(CycleGAN, sources, 1, **options)
    theirs, fresh = arrays(start), arrays(model)
    carry_over(start, model, "start")
    for path, found in arrays(model).items():
        last = is_head(path, model.generator.layers[-1].name)
        np.testing.assert_array_equal(found, theirs[path] if kept or not last else fresh[path], err_msg=path)


def test_the_same_sources_say_nothing(caplog):
    options = {"segment": 64, "filters": 2, "depth": 1}
    start, model = make(UNet, BEFORE, 0, **options), make(UNet, BEFORE, 1, **options)
    carry_over(start, model, "start")
    assert not caplog.messages
    for ours, theirs in zip(model.weights, start.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Positional(Separator):
    """A model that does not say which weights belong to which source."""

    def __init__(self, sources, sample_rate=8000, channels=1, segment=64, **kwargs):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        self.gains = self.add_weight(shape=(len(self.sources),), initializer="random_normal", name="gains")
        self.built = True

    def estimate(self, window, training=False):
        return {name: self.gains[index] * window for index, name in enumerate(self.sources)}


def test_a_model_without_source_weights():
    start = make(Positional, BEFORE, 0)
    with pytest.raises(ValueError, match=r"Positional does not define source_weights.*sources=\['bass', 'guitar'"):
        carry_over(start, make(Positional, AFTER, 1), "start")
    model = make(Positional, BEFORE, 1)
    carry_over(start, model, "start")
    np.testing.assert_array_equal(model.gains, start.gains)


@pytest.mark.parametrize("changes", [{"filters": 3}, {"depth": 2}, {"channels": 2}], ids=str)
def test_other_weights_are_an_error(changes):
    options = {"segment": 64, "filters": 2, "depth": 1}
    model = make(UNet, AFTER, 1, **{**options, **changes})
    before = model.get_weights()
    with pytest.raises(ValueError, match="start has other weights than the model to train"):
        carry_over(make(UNet, BEFORE, 0, **options), model, "start")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
