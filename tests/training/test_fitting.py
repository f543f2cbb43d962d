"""A run in its folder: what it keeps, how it goes on after a kill, how it ends."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfsep import pipeline, presets
from tfsep.audio import AudioError
from tfsep.datasets import StemsFolder
from tfsep.loading import load_model
from tfsep.models import UNet
from tfsep.models.preset_files import load_preset
from tfsep.training import checkpoint
from tfsep.training.checkpoint import RunCheckpoint, read_state


@pytest.fixture(scope="module")
def finished(run, tmp_path_factory):
    """A run of two epochs: its folder and its model."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return SimpleNamespace(folder=folder, model=run(folder))


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run, to go on with."""
    return shutil.copytree(finished.folder, tmp_path / "copy")


def assert_same_state(folder, model, other_folder, other) -> None:
    """Weights, optimiser, history and best model of two runs are the same to the bit."""
    variables = [*model.variables, *model.optimizer.variables]
    for ours, theirs in zip(variables, [*other.variables, *other.optimizer.variables], strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)
    assert read_state(folder) == read_state(other_folder)
    best, other_best = load_preset(folder / "best"), load_preset(other_folder / "best")
    for ours, theirs in zip(best.weights, other_best.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


def contents(folder) -> dict:
    """Every file of a run but TensorBoard's logs."""
    files = [path for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class TestFolder:
    def test_holds_checkpoint_best_model_state_and_curves(self, finished):
        names = {path.name for path in finished.folder.iterdir()}
        assert names == {"best", "checkpoint-0002.keras", "state.json", "loss.png", "logs"}
        assert (finished.folder / "loss.png").stat().st_size > 5000

    def test_state_is_the_history(self, finished):
        state = json.loads((finished.folder / "state.json").read_text())
        assert state["epoch"] == 2
        assert state["checkpoint"] == "checkpoint-0002.keras"
        assert {len(values) for values in state["history"].values()} == {2}
        assert {"loss", "val_loss", "val_vocals_si_sdr_improvement"} <= state["history"].keys()
        assert state["best"] == min(state["history"]["val_loss"])
        assert state["best_epoch"] == 1 + int(np.argmin(state["history"]["val_loss"]))

    def test_checkpoint_is_the_trained_model_with_its_optimizer(self, finished):
        loaded = keras.saving.load_model(finished.folder / "checkpoint-0002.keras")
        for ours, theirs in zip(finished.model.variables, loaded.variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert float(loaded.optimizer.iterations) == 4

    def test_best_is_a_preset_that_says_where_it_comes_from(self, finished):
        assert isinstance(load_model(finished.folder / "best"), UNet)
        facts = presets.read_config(finished.folder / "best")["training"]
        state = read_state(finished.folder)
        assert facts["epoch"] == state["best_epoch"]
        assert facts["validation"]["val_loss"] == state["best"]
        assert "vocals, drums" in (finished.folder / "best" / "README.md").read_text()

    def test_tensorboard_scalars(self, finished):
        train = events(finished.folder / "logs" / "train")
        valid = events(finished.folder / "logs" / "validation")
        assert {"epoch_loss", "epoch_vocals_loss", "epoch_drums_loss", "epoch_learning_rate"} <= train.keys()
        for source in ("vocals", "drums"):
            wanted = {f"epoch_{source}_{log}" for log in ("loss", "si_sdr", "si_sdr_improvement")}
            assert wanted <= valid.keys()
        assert [event.step for event in valid["epoch_loss"]] == [0, 1]

    def test_tensorboard_audio(self, finished):
        sounds = events(finished.folder / "logs" / "audio")
        names = {"mixture", "vocals/target", "vocals/estimate", "drums/target", "drums/estimate"}
        assert names <= sounds.keys()
        for name in names:
            wav = sounds[name][0].tensor_proto.string_val[0]
            assert wav.startswith(b"RIFF")


def events(folder) -> dict:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {tag: accumulator.Tensors(tag) for tag in accumulator.Tags()["tensors"]}


class Killed(BaseException):
    """The process dies."""


def kill_in_second_epoch(monkeypatch):
    seen = []

    def on_train_batch_end(self, batch, logs=None):
        seen.append(batch)
        if len(seen) == 3:
            raise Killed

    monkeypatch.setattr(RunCheckpoint, "on_train_batch_end", on_train_batch_end)


def kill_between_checkpoint_and_state(monkeypatch):
    write_text = checkpoint.write_text

    def dying(path, text):
        if '"epoch": 2' in text:
            raise Killed
        write_text(path, text)

    monkeypatch.setattr(checkpoint, "write_text", dying)


class TestResume:
    @pytest.mark.usefixtures("eagerly")
    def test_weighted_runs_resume(self, run, tmp_path):
        whole = run(tmp_path / "whole", weights=(1, 2, 9))
        run(tmp_path / "run", epochs=1, weights=(1, 2, 9))
        resumed = run(tmp_path / "run", weights=(1, 2, 9), resume=True)
        for weight, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, other)
        assert not np.array_equal(whole.get_weights()[0], run(tmp_path / "other").get_weights()[0])

    def test_two_epochs_are_one_and_a_resumed_one(self, run, finished, tmp_path):
        # To resume where nothing is starts.
        run(tmp_path / "run", epochs=1, resume=True)
        model = run(tmp_path / "run", resume=True)
        assert_same_state(tmp_path / "run", model, finished.folder, finished.model)

    @pytest.mark.parametrize("kill", [kill_in_second_epoch, kill_between_checkpoint_and_state])
    def test_after_a_kill(self, run, finished, tmp_path, monkeypatch, kill):
        with monkeypatch.context() as patch:
            kill(patch)
            with pytest.raises(Killed):
                run(tmp_path / "run")
        assert read_state(tmp_path / "run")["epoch"] == 1
        model = run(tmp_path / "run", resume=True)
        assert_same_state(tmp_path / "run", model, finished.folder, finished.model)
        assert contents(tmp_path / "run").keys() == contents(finished.folder).keys()

    @pytest.mark.usefixtures("eagerly")
    def test_in_the_middle_of_a_cosine(self, run, tmp_path, monkeypatch):
        whole = run(tmp_path / "whole", schedule="cosine")
        assert float(whole.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)
        with monkeypatch.context() as patch:
            kill_in_second_epoch(patch)
            with pytest.raises(Killed):
                run(tmp_path / "run", schedule="cosine")
        model = run(tmp_path / "run", schedule="cosine", resume=True)
        assert_same_state(tmp_path / "run", model, tmp_path / "whole", whole)

    @pytest.mark.usefixtures("eagerly")
    def test_with_an_optimizer_and_a_loss_of_ones_own(self, run, make_model, tmp_path):
        def compiled():
            model = make_model()
            model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
            return model

        whole = run(tmp_path / "whole", compiled())
        run(tmp_path / "run", compiled(), epochs=1)
        # The checkpoint counts, not the model that is given.
        model = run(tmp_path / "run", make_model(), resume=True)
        assert isinstance(model.optimizer, keras.optimizers.SGD)
        assert model.loss == "mse"
        assert_same_state(tmp_path / "run", model, tmp_path / "whole", whole)

    def test_of_a_finished_run_changes_nothing(self, run, finished, copy):
        before = contents(copy)
        model = run(copy, resume=True)
        assert contents(copy) == before
        assert_same_state(copy, model, finished.folder, finished.model)

    def test_of_a_run_out_of_patience_changes_nothing(self, run, copy):
        state = read_state(copy)
        (copy / "state.json").write_text(json.dumps(state | {"best_epoch": 1, "best": 0.0}))
        before = contents(copy)
        run(copy, epochs=4, patience=1, resume=True)
        assert contents(copy) == before

    def test_has_to_be_asked_for(self, run, copy):
        before = contents(copy)
        with pytest.raises(FileExistsError, match=r"copy contains a run \(2 epochs\). Resume it"):
            run(copy, epochs=3)
        assert contents(copy) == before

    def test_of_a_damaged_state_is_an_error(self, run, copy):
        (copy / "state.json").write_text('{"epoch": ')
        with pytest.raises(RuntimeError, match=r"state.json is damaged: .* Start the run anew"):
            run(copy, resume=True)


@pytest.mark.usefixtures("eagerly")
class TestAveraging:
    def test_averages_are_validated_and_kept_and_training_goes_on_with_the_weights(self, run, tmp_path):
        model = run(tmp_path / "run", average=0.5, epochs=1, learning_rate=0.1)
        raw = keras.saving.load_model(tmp_path / "run" / "checkpoint-0001.keras")
        best = load_preset(tmp_path / "run" / "best")
        # When Keras has finished, the model has its averages.
        for average, kept, weight in zip(
            model.trainable_variables, best.trainable_variables, raw.trainable_variables, strict=True
        ):
            np.testing.assert_allclose(kept, average, atol=2e-3)
            assert np.abs(weight - average).max() > 5e-3, "the checkpoint contains averages"

    def test_validation_hears_the_averages(self, run, corpus, tmp_path):
        run(tmp_path / "run", average=0.5, epochs=1, learning_rate=0.1)
        valid = pipeline.windows(list(StemsFolder(corpus, split=None))[3:], load_preset(tmp_path / "run" / "best"))
        raw = keras.saving.load_model(tmp_path / "run" / "checkpoint-0001.keras")
        best = load_preset(tmp_path / "run" / "best")
        best.compile()
        losses = [model.evaluate(valid, verbose=0, return_dict=True)["loss"] for model in (best, raw)]
        (expected,) = read_state(tmp_path / "run")["history"]["val_loss"]
        assert losses[0] == pytest.approx(expected, rel=1e-2)
        assert losses[1] != pytest.approx(expected, rel=3e-2)

    def test_statistics_of_batch_normalization_are_those_of_the_averages(self, run, corpus, tmp_path):
        run(tmp_path / "run", average=0.5, epochs=1, learning_rate=0.1)
        best = load_preset(tmp_path / "run" / "best")
        data = pipeline.excerpts(list(StemsFolder(corpus, split=None))[:3], best, 2, steps_per_epoch=2)
        (norm, *_) = (layer for layer in best._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization))
        kept, norm.momentum, means = np.array(norm.moving_mean), 0.0, []
        for mixture, _ in data:
            best(mixture, training=True)
            means.append(np.array(norm.moving_mean))
        np.testing.assert_allclose(kept, np.mean(means, axis=0), atol=1e-3)

    def test_resumes(self, run, tmp_path):
        whole = run(tmp_path / "whole", average=0.5)
        run(tmp_path / "run", average=0.5, epochs=1)
        model = run(tmp_path / "run", average=0.5, resume=True)
        assert_same_state(tmp_path / "run", model, tmp_path / "whole", whole)


@pytest.mark.usefixtures("eagerly")
def test_an_error_inside_the_pipeline_is_the_one_that_is_raised(run, tmp_path, monkeypatch):
    def damaged(*_):
        raise AudioError("song.wav is damaged")

    monkeypatch.setattr("tfsep.pipeline.cache.Decoded.copy_into", damaged)
    with pytest.raises(AudioError, match=r"^song.wav is damaged$"):
        run(tmp_path / "run")


@pytest.mark.usefixtures("eagerly")
class TestDivergence:
    def test_keeps_the_last_good_epoch(self, run, copy, monkeypatch):
        compute_loss = UNet.compute_loss
        monkeypatch.setattr(UNet, "compute_loss", lambda *args, **kwargs: compute_loss(*args, **kwargs) * np.nan)
        before = contents(copy)
        with pytest.raises(RuntimeError, match=r"not a number in epoch 3\. Train anew with a lower learning rate"):
            run(copy, epochs=5, resume=True)
        assert contents(copy) == before

    def test_in_the_first_epoch(self, run, tmp_path):
        with pytest.raises(RuntimeError, match="not a number in epoch 1"):
            run(tmp_path / "run", learning_rate=1e30)
        assert contents(tmp_path / "run") == {}


@pytest.mark.usefixtures("eagerly")
class TestArguments:
    def test_without_validation_the_training_loss_decides(self, run, tmp_path):
        model = run(tmp_path / "run", valid=None, epochs=1, clipnorm=0.5, learning_rate=0.01, jit_compile=False)
        state = read_state(tmp_path / "run")
        assert state["best"] == state["history"]["loss"][0]
        assert not (tmp_path / "run" / "logs" / "audio").exists()
        assert isinstance(model.optimizer, keras.optimizers.Adam)
        assert model.optimizer.clipnorm == 0.5
        assert float(model.optimizer.learning_rate) == pytest.approx(0.01)

    def test_cycles_are_two_cosines_an_epoch(self, run, tmp_path):
        model = run(tmp_path / "run", valid=None, epochs=1, steps_per_epoch=8, learning_rate=0.01, schedule="cycles")
        rates = [float(model.optimizer._learning_rate(step)) for step in range(9)]
        assert rates[0] == rates[4] == rates[8] == pytest.approx(0.01)
        assert rates[2] == pytest.approx(0.01 * (0.5 + 0.5 * 5e-3), rel=1e-3)
        assert rates[1] > rates[2] > rates[3]

    def test_a_loss_of_ones_own(self, run, tmp_path):
        run(tmp_path / "run", valid=None, epochs=1, loss=keras.losses.MeanAbsoluteError())
        run(tmp_path / "other", valid=None, epochs=1)
        losses = [read_state(tmp_path / name)["history"]["loss"][0] for name in ("run", "other")]
        assert 0 < losses[0] < losses[1]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"schedule": "linear"}, r"schedule must be one of .*'cosine'.* Received: schedule='linear'"),
            ({"epochs": 0}, "epochs must be an integer of at least 1. Received: epochs=0"),
            ({"batch_size": -2}, "batch_size must be an integer of at least 1. Received: batch_size=-2"),
            ({"patience": 0}, "patience must be an integer of at least 1. Received: patience=0"),
            ({"learning_rate": 0.0}, "learning_rate must be a number above 0. Received: learning_rate=0.0"),
            ({"learning_rate": float("nan")}, "learning_rate must be a number above 0. Received: learning_rate=nan"),
            ({"clipnorm": 0.0}, "clipnorm must be a number above 0. Received: clipnorm=0.0"),
            ({"average": 1.0}, "average must be a number above 0 and below 1. Received: average=1.0"),
            ({"seed": -1}, "seed must be an integer from 0 .* Received: seed=-1"),
            ({"batch_size": 100, "steps_per_epoch": None}, "A batch of 100 is larger than the data: 24 windows"),
            ({"valid": []}, "There are no tracks"),
            ({"model": UNet(sources=("piano",), sample_rate=8000, segment=512, filters=2, depth=1)}, "'piano'"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_wrong_ones_leave_nothing_behind(self, run, tmp_path, arguments, message):
        with pytest.raises(ValueError, match=message) as error:
            run(tmp_path / "run", **arguments)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "run").exists()
