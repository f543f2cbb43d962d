"""Bags of models: weighted averages, streamed, one model loaded at a time."""

import weakref

import numpy as np
import pytest

import tfsep
from tfsep.loading import load_model
from tfsep.models import Bag
from tfsep.portable.training_free import TrainingFree
from tfsep.separation import separate


@pytest.fixture
def scaled(identity):
    """A class of models that return the mixture times a factor, with any names of sources and any rate."""

    class Scaled(identity):
        def __init__(self, factor, sources=("plain", "minus"), **options):
            super().__init__(**options)
            self.factor, self.sources = factor, sources

        def separate_window(self, window):
            return {name: np.float32(self.factor) * window for name in self.sources}

    return Scaled


def test_estimates_are_weighted_by_source(scaled, noise):
    song = noise(1234)
    bag = Bag([scaled(1), scaled(2), scaled(6, segment=77)], {"plain": [1, 0, 0], "minus": [0, 1, 3]})
    stems = separate(song, bag, 8000)
    assert list(stems) == ["plain", "minus"]
    np.testing.assert_allclose(stems["plain"], song, atol=1e-6)
    np.testing.assert_allclose(stems["minus"], 5 * song, atol=1e-5)


def test_separators_of_whole_songs_can_be_members(scaled, noise):
    song = noise(500)
    whole = TrainingFree("whole", ("minus", "plain"), lambda song, sample_rate: (song, 3 * song))
    stems = separate(song, Bag([scaled(1), whole]), 8000)
    np.testing.assert_allclose(stems["plain"], 2 * song, atol=1e-6)
    np.testing.assert_allclose(stems["minus"], song, atol=1e-6)


def test_sources_are_averaged_over_the_models_that_have_them(scaled, noise):
    song = noise(500, channels=1)
    bag = Bag([scaled(1, ("a", "b")), scaled(3, ("c", "b"), channels=2)])
    assert bag.sources == ("a", "b", "c")
    stems = separate(song, bag, 8000, residual="rest")
    for name, factor in {"a": 1, "b": 2, "c": 3, "rest": -5}.items():
        np.testing.assert_allclose(stems[name], factor * song, atol=1e-5, err_msg=name)


def test_models_may_have_different_rates(scaled, noise):
    song = noise(4000)
    bag = Bag([scaled(1), scaled(1, sample_rate=16000)])
    np.testing.assert_allclose(separate(song, bag, 8000)["plain"], song, atol=0.1)


def test_models_without_weight_are_not_run(scaled, noise):
    class Never(scaled):
        def separate_window(self, window):
            raise AssertionError

    bag = Bag([scaled(1), Never(1)], {"plain": [1, 0], "minus": [1, 0]})
    assert len(bag) == 1
    separate(noise(100), bag, 8000)


def test_only_the_models_of_the_chosen_stems_are_loaded_and_run(scaled, noise, monkeypatch):
    loaded = []
    monkeypatch.setattr("tfsep.separation.bags.load_model", lambda factor: loaded.append(factor) or scaled(factor))
    song = noise(100)
    bag = Bag([1, 2, 3], {"plain": [1, 0, 0], "minus": [0, 1, 3]}, [("plain", "minus")] * 3)

    def run(*models, **options):
        loaded.clear()
        calls = []
        stems = separate(song, bag, 8000, progress=lambda *call: calls.append(call), **options)
        assert (loaded, calls[-1][:2]) == (list(models), (100, 100))
        return stems

    np.testing.assert_allclose(run(1, stems=["plain"])["plain"], song, atol=1e-6)
    np.testing.assert_allclose(run(2, 3, stems=["minus"])["minus"], 2.75 * song, atol=1e-5)
    np.testing.assert_allclose(run(1, stems=["plain"], residual="rest")["rest"], 0, atol=1e-6)
    np.testing.assert_allclose(run(1, 2, 3, groups={"both": ["plain", "minus"]})["both"], 3.75 * song, atol=1e-5)
    run(1, 2, 3, stems=["plain"], consistent=True)
    assert len(bag) == 3


def test_progress_goes_once_through_the_song(scaled, noise):
    calls = []
    separate(noise(1000), Bag([scaled(1), scaled(2)]), 8000, progress=lambda *call: calls.append(call))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert done[0] < 500 < done[-2]
    assert calls[-1] == (1000, 1000, 0)


def test_yaml_file_is_a_model(small_preset, noise, tmp_path):
    path = tmp_path / "bag.yaml"
    path.write_text(f"models: [{small_preset}, {small_preset}]\nweights: {{vocals: [1, 3]}}\n")
    song = noise(5000)
    bag = load_model(path)
    assert isinstance(bag, Bag)
    stems, expected = tfsep.separate(song, path, 8000), tfsep.separate(song, small_preset, 8000)
    for name in ("vocals", "drums"):
        np.testing.assert_allclose(stems[name], expected[name], atol=1e-6)


def test_one_model_is_loaded_at_a_time(monkeypatch, scaled, noise):
    from tfsep.separation import bags

    alive = weakref.WeakSet()

    def load(path):
        assert not alive
        model = scaled(1)
        alive.add(model)
        return model

    monkeypatch.setattr(bags, "load_model", load)
    song = noise(300)
    names = ["first", "second", "third"]
    np.testing.assert_allclose(
        separate(song, Bag(names, sources=[("plain", "minus")] * 3), 8000)["plain"], song, atol=1e-6
    )


@pytest.mark.parametrize(
    ("models", "weights", "message"),
    [
        (0, None, "models="),
        (2, {"drums": [1, 1]}, "Received: drums"),
        (2, {"plain": [1]}, "2 for 'plain'"),
        (2, {"plain": [0, 0]}, "not all 0"),
        (2, {"plain": [1, -1]}, "weight=-1"),
        (2, {"plain": [1, "a"]}, "weight='a'"),
        (2, {"plain": 1}, "Received: 1"),
    ],
)
def test_weights_that_do_not_fit_are_errors(scaled, models, weights, message):
    with pytest.raises(ValueError, match=message):
        Bag([scaled(1) for _ in range(models)], weights)


@pytest.mark.parametrize("text", ["{", "- 1", "models: 1", "models: [1]", "weights: {}", "models: [a]\nmore: 1"])
def test_yaml_files_of_other_things_are_errors(tmp_path, text):
    path = tmp_path / "bag.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"bag\.yaml"):
        load_model(path)
