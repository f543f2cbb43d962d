"""From a configuration to a run: what is built, what is written, what is refused."""

import dataclasses

import keras
import numpy as np
import pytest
import yaml

from tfsep import audio
from tfsep.models import MODELS
from tfsep.training import TrainConfig, run, train

OPTIONS = {"sample_rate": 8000, "segment": 512, "filters": 2, "depth": 0}


@pytest.fixture
def config(corpus, tmp_path):
    def config(**settings) -> TrainConfig:
        small = {"epochs": 1, "batch_size": 2, "steps_per_epoch": 2, "options": OPTIONS}
        return TrainConfig(**{"data": [f"stems:{corpus}"], "output": tmp_path / "run", **small, **settings})

    return config


@pytest.fixture
def untrained(monkeypatch):
    """`train` stops short of training: the arguments that `fit` gets, and the model back."""
    seen = {}

    def fit(model, train, valid, output, **arguments):
        seen.update(arguments, model=model, train=train, valid=valid, output=output)
        return model

    monkeypatch.setattr(run, "fit", fit)
    return seen


@pytest.mark.usefixtures("eagerly")
class TestRun:
    def test_trains_and_keeps_configuration_and_versions(self, config, tmp_path):
        model = train(config(), verbose=0)
        assert float(model.optimizer.iterations) == 2
        folder = tmp_path / "run"
        assert (folder / "best" / "model.weights.h5").is_file()
        kept = TrainConfig(**yaml.safe_load((folder / "config.yaml").read_text()))
        # Every option of the model is there, those that were left to their defaults as well, and its learning rate.
        full = {**OPTIONS, "sources": ["vocals", "drums"], "channels": 1, "context": 0, "wiener_iterations": 0}
        assert kept == dataclasses.replace(config(), options=full, learning_rate=0.001)
        assert yaml.safe_load((folder / "versions.yaml").read_text()).keys() == {
            "tfsep",
            "tensorflow",
            "keras",
            "numpy",
        }

        # The very run is in the folder, under whatever way of writing the same settings.
        same = dataclasses.replace(config(), options={**OPTIONS, "sources": ("vocals", "drums")})
        other = dataclasses.replace(config(), options={**OPTIONS, "filters": 3})
        with pytest.raises(FileExistsError, match=r"run contains a run \(1 epochs\). Give --resume, or another output"):
            train(config(), verbose=0)
        with pytest.raises(ValueError, match=r"started with other settings: options=\{.*Resume it with those"):
            train(other, resume=True)
        with pytest.raises(ValueError, match=r"other settings: learning_rate=0.001, seed=0\. Resume"):
            train(config(learning_rate=0.1, seed=1), resume=True)
        train(same, resume=True, verbose=0)
        assert TrainConfig(**yaml.safe_load((folder / "config.yaml").read_text())) == kept

        folder = folder.rename(tmp_path / "moved")
        resumed = train(config(epochs=2, output=folder), resume=True, verbose=0)
        assert float(resumed.optimizer.iterations) == 4
        assert TrainConfig(**yaml.safe_load((folder / "config.yaml").read_text())).epochs == 2

    def test_a_cosine_resumes_over_the_same_epochs_alone(self, config, untrained, tmp_path):
        train(config(schedule="cosine", options={**OPTIONS, "sources": ("vocals",)}))
        (tmp_path / "run" / "state.json").write_text('{"epoch": 1}')
        train(config(schedule="cosine", options={**OPTIONS, "sources": ("vocals",)}), resume=True)
        with pytest.raises(ValueError, match=r"other settings: epochs=1\."):
            train(config(schedule="cosine", options={**OPTIONS, "sources": ("vocals",)}, epochs=2), resume=True)

    def test_what_failed_before_its_first_epoch_may_start_again(self, config, untrained, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(run, "fit", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                train(config(batch_size=1000))
        train(config(batch_size=2))
        train(config(batch_size=3), resume=True)

    def test_settings_reach_the_training(self, config, untrained, tmp_path):
        settings = {
            "epochs": 7,
            "batch_size": 3,
            "steps_per_epoch": 5,
            "learning_rate": 0.01,
            "schedule": "cosine",
            "clipnorm": 0.5,
            "average": 0.99,
            "patience": 4,
            "seed": 9,
            "jit_compile": True,
        }
        model = train(config(**settings, mixed_precision="mixed_bfloat16", augment={"gain": {"low": 0.9}}), verbose=2)
        assert untrained.items() >= settings.items()
        assert untrained["output"] == tmp_path / "run"
        assert (untrained["resume"], untrained["verbose"]) == (False, 2)
        assert [(type(augment).__name__, augment.low) for augment in untrained["augment"]] == [("Gain", 0.9)]
        assert model.compute_dtype == "bfloat16"

    def test_loss_by_name(self, config, untrained):
        train(config(loss={"discriminative_mse": {"gamma": 0.2}}))
        assert (type(untrained["loss"]).__name__, untrained["loss"].gamma) == ("DiscriminativeMeanSquaredError", 0.2)

    def test_further_speeds(self, config, untrained):
        train(config(speeds=[0.9, 1.1]))
        names = [track.name for track in untrained["train"]]
        assert names[:3] == ["song0", "song1", "song2"]
        assert names[3:] == [f"song{song} at speed {speed}" for speed in (0.9, 1.1) for song in range(3)]
        assert [track.name for track in untrained["valid"]] == ["song3"]

    def test_weights_of_corpora(self, config, untrained, corpus):
        train(config())
        assert untrained["weights"] is None
        spec = f"stems:{corpus}"
        train(config(data=[{"spec": spec, "weight": 0.3}, "embedded"], valid=[spec], speeds=[0.9]))
        # Three songs share the weight of their corpus, copies at other speeds have that of the song.
        assert untrained["weights"] == pytest.approx([0.1, 0.1, 0.1, 1.0] * 2)
        assert len(untrained["weights"]) == len(untrained["train"])
        assert [track.name for track in untrained["valid"]] == ["song3"]
        train(config(data=[f"{spec},weight=2"]))
        assert [track.name for track in untrained["valid"]] == ["song3"]

    def test_data_are_split(self, config, untrained, corpus):
        train(config())
        assert [track.name for track in untrained["train"]] == ["song0", "song1", "song2"]
        assert [track.name for track in untrained["valid"]] == ["song3"]
        train(config(data=[f"stems:{corpus}"] * 2, valid=["embedded"]))
        assert len(untrained["train"]) == 6
        assert [track.name for track in untrained["valid"]] == ["The Easton Ellises - Falcon 69"]

    def test_the_seed_makes_the_model(self, config, untrained):
        first, second, other = (train(config(seed=seed)).get_weights() for seed in (1, 1, 2))
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        assert not np.array_equal(first[0], other[0])


class TestStartFrom:
    @pytest.fixture
    def start(self, make_model):
        model = make_model(sources=("drums", "vocals"))
        model.set_weights([weight + 0.25 for weight in model.get_weights()])
        return model

    def test_a_preset_gives_weights_and_options(self, config, untrained, start, tmp_path):
        start.save_to_preset(tmp_path / "preset")
        model = train(config(start_from=tmp_path / "preset", options={"segment": 256}))
        assert model.sources == ("drums", "vocals")
        assert model.segment == 256
        for ours, theirs in zip(model.weights, start.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, err_msg=ours.path)

    def test_a_checkpoint_in_another_precision(self, config, untrained, start, tmp_path):
        start.compile("sgd")
        start.save(tmp_path / "checkpoint.keras")
        model = train(config(start_from=tmp_path / "checkpoint.keras", options={}, mixed_precision="mixed_float16"))
        assert model.compute_dtype == "float16"
        assert not model.compiled
        for ours, theirs in zip(model.weights, start.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)

    @pytest.mark.parametrize("options", [{"filters": 3}, {"depth": 2}, {"channels": 2}])
    def test_weights_must_fit(self, config, start, tmp_path, options):
        start.save_to_preset(tmp_path / "preset")
        with pytest.raises(ValueError, match="preset has other weights than the model to train"):
            train(config(start_from=tmp_path / "preset", options=options))
        assert not (tmp_path / "run").exists()

    def test_a_saved_model_cannot_be_trained(self, config, start, tmp_path):
        start.export(tmp_path / "exported")
        with pytest.raises(ValueError, match=r"exported is of class ExportedSeparator. Expected a model 'unet'"):
            train(config(start_from=tmp_path / "exported"))

    def test_an_unknown_name(self, config):
        with pytest.raises(ValueError, match=r"No model 'nothing': .*Presets: "):
            train(config(start_from="nothing"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": []}, "No data to train on"),
        ({"output": ""}, "No output"),
        ({"data": ["nowhere:/x"]}, "Unknown data 'nowhere:/x'"),
        ({"model": "wave"}, "Unknown model 'wave'. Known: .*unet"),
        ({"augment": {"echo": {}}}, "Unknown augmentation 'echo'. Known: remix, gain"),
        ({"augment": {"gain": {"loud": 1}}}, "Augmentation 'gain' takes low, high. Received: .*'loud'"),
        ({"augment": {"gain": {"low": 2.0}}}, "low=2.0"),
        ({"augment": {"gain": {"low": "soft"}}}, "Augmentation 'gain' cannot be made of {'low': 'soft'}"),
        ({"loss": {"discriminative_mse": {"gama": 1}}}, "Loss 'discriminative_mse' takes gamma. Received: .*gama"),
        ({"loss": {"discriminative_mse": {"gamma": -1}}}, "gamma must be a number of at least 0.* Received: gamma=-1"),
        ({"loss": {"discriminative_mse": {"gamma": "big"}}}, "gamma must be a number .*Received: gamma='big'"),
        (
            {"loss": {"discriminative_mse": 0.05}},
            "'discriminative_mse' takes its arguments by name: gamma. Received: 0.05",
        ),
        ({"speeds": [0.1]}, r"speed must be a number of at least 0.25 and at most 4. Received: speed=0.1"),
        ({"speeds": ["fast"]}, r"speed must be a number of at least 0.25 and at most 4. Received: speed='fast'"),
        ({"loss": {"loudness": {}}}, "Unknown loss 'loudness'. Known: absolute_and_squared"),
        ({"options": {"kernel": 3}}, "kernel"),
        ({"options": {"dtype": "float32"}}, "Model 'unet' has the options sources, .*Received: .*dtype"),
        ({"options": {"sample_rate": "fast"}}, "sample_rate='fast'"),
        ({"mixed_precision": "half"}, "half"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be an integer of at least 1"),
        ({"learning_rate": -1.0}, "learning_rate must be a number above 0"),
        ({"schedule": "linear"}, "schedule must be one of"),
    ],
    ids=str,
)
def test_wrong_settings_are_named_and_leave_nothing_behind(config, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message) as error:
        train(config(**settings))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_takes_its_whole_configuration_as_options(config, untrained, tmp_path, name):
    with keras.StatelessScope(initialize_variables=False):  # published sizes: gigabytes, if they were made
        train(config(model=name, options={}))
        options = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["options"]
        again = train(config(model=name, options=options, output=tmp_path / "again"))
    assert {key: value for key, value in again.get_config().items() if key in options} == options


def test_a_missing_folder_of_data(config, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing is not a folder"):
        train(config(data=[f"stems:{tmp_path / 'missing'}"]))


def test_a_start_that_the_data_refuse_leaves_nothing_behind(config, tmp_path):
    for song in ("a", "b"):
        folder = tmp_path / "mute" / song
        folder.mkdir(parents=True)
        for source in ("vocals", "drums"):
            audio.write(folder / f"{source}.wav", np.zeros((4000, 1), np.float32), 8000)
    with pytest.raises(ValueError, match="vocals, drums: silent in all tracks"):
        train(config(data=[f"stems:{tmp_path / 'mute'}"]))
    assert not (tmp_path / "run").exists()
    # What was there stays.
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="A batch of 1000"):
        train(config(batch_size=1000, steps_per_epoch=None))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]
