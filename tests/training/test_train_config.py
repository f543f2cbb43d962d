import re
from pathlib import Path

import pytest

from tfsep.models import MODELS
from tfsep.training import TrainConfig, read_config
from tfsep.training.config import spec_and_weight


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> dict:
        (tmp_path / "train.yaml").write_text(text)
        return read_config(tmp_path / "train.yaml")

    return read


def test_reads_what_the_file_sets(read):
    settings = read("model: unet\ndata: [stems:/songs]\nepochs: 3\noptions:\n  sources: [vocals]\njit_compile: true\n")
    assert settings == {
        "model": "unet",
        "data": ["stems:/songs"],
        "epochs": 3,
        "options": {"sources": ["vocals"]},
        "jit_compile": True,
    }


def test_the_help_names_all_models():
    assert f"Network: {', '.join(MODELS)}, or" in " ".join(TrainConfig.__doc__.split())


def test_an_empty_file_sets_nothing(read):
    assert read("") == {}


def test_reads_what_it_wrote(read):
    config = TrainConfig(
        data=["musdb18:/data", "stems:/songs"],
        output="run",
        options={"sources": ("vocals", "drums"), "sample_rate": 8000},
        learning_rate=1e-5,
        clipnorm=0.5,
        augment={"gain": {"low": 0.7}},
        patience=3,
        start_from="unet-vocals-drums",
        jit_compile=False,
    )
    assert TrainConfig(**read(config.to_yaml())) == config


@pytest.mark.parametrize("number", ["1e-3", "0.001", "1.0e-3"])
def test_numbers_with_exponents_are_numbers(read, number):
    assert read(f"learning_rate: {number}") == {"learning_rate": 0.001}


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("stems:a,b", ("stems:a,b", None)),
        ("mixing:a,b,weight=2e-1", ("mixing:a,b", 0.2)),
        ({"spec": "embedded", "weight": 3}, ("embedded", 3)),
    ],
)
def test_a_corpus_with_its_weight(entry, found):
    assert spec_and_weight(entry) == found


def test_paths_may_be_paths():
    config = TrainConfig(output=Path("runs") / "one", start_from=Path("best"))
    assert (config.output, config.start_from) == (str(Path("runs/one")), "best")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3\nlearningrate: 1.0", r"unknown keys ['epoch', 'learningrate']. Known: model, data, output"),
        ("epochs: many", "epochs must be int. Received: epochs='many'."),
        ("epochs: 2.5", "epochs must be int. Received: epochs=2.5."),
        ("learning_rate: fast", "learning_rate must be float. Received: learning_rate='fast'."),
        ("data: musdb18:/data", "data must be a list, such as [one]. Received: data='musdb18:/data'."),
        (
            "data: [{spec: embedded}]",
            "An entry of data must be a spec, such as stems:PATH, or {spec: ",
        ),
        ("data: [3]", "or {spec: stems:PATH, weight: 0.5}. Received: 3."),
        ("data: [{spec: embedded, weight: 0}]", "weight must be a number above 0. Received: weight=0."),
        ("data: ['embedded,weight=-1']", "weight must be a number above 0. Received: weight=-1.0."),
        ("data: ['embedded,weight=much']", "weight must be a number above 0. Received: weight='much'."),
        ("augment: [gain]", "augment must be a mapping, such as {name: {}}. Received: augment=['gain']."),
        ("options:", "options must be a mapping. Received: options=None."),
        ("- epochs", "must contain a mapping of settings. Received: list."),
        ("epochs: [3", "is not YAML"),
        ("epochs: \x00", "is not YAML"),
    ],
)
def test_wrong_files_are_named_in_one_line(read, tmp_path, text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read(text)
    assert str(tmp_path / "train.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_binary_file_is_not_yaml(tmp_path):
    (tmp_path / "train.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"train.yaml is not YAML"):
        read_config(tmp_path / "train.yaml")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing.yaml"):
        read_config(tmp_path / "missing.yaml")
