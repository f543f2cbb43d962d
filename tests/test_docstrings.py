"""The examples of all docstrings run: of public names, of their methods, and of all other functions and classes."""

from __future__ import annotations

import doctest
import importlib
import inspect
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfsep

MODULES = [thing for thing in (getattr(tfsep, name) for name in tfsep.__all__) if inspect.ismodule(thing)]
NETWORKS = {
    "vocals.pth": "vocals.pth",
    "drums.pth": "drums.pth",
    "htdemucs-6s/network.safetensors": "htdemucs.safetensors",
    "bs-roformer/network.yaml": "roformer.yaml",
}
# Packages that examples need and that are not everywhere.
EXTRAS = {"ONNXSeparator": "tf2onnx", "LiteRTSeparator": "ai_edge_litert"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public(module) -> dict[str, object]:
    """Classes and functions that a module offers, by their dotted names."""
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    things = {f"{module.__name__}.{name}": getattr(module, name) for name in names}
    return {
        name: thing
        for name, thing in things.items()
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith(module.__name__)
    }


PUBLIC = {name: thing for module in MODULES for name, thing in public(module).items()}
PUBLIC["tfsep.load_model"] = tfsep.load_model


def examples(name: str, thing=None) -> doctest.DocTest:
    doc = inspect.getdoc(PUBLIC[name] if thing is None else thing) or ""
    return doctest.DocTestParser().get_doctest(doc, {}, name, None, None)


def others() -> dict[str, object]:
    """Methods of all classes, and functions and classes that are not public, if their docstrings have an example."""
    found = {}
    for path in Path(tfsep.__file__).parent.rglob("*.py"):
        if ">>>" not in path.read_text(encoding="utf-8"):
            continue
        parts = path.relative_to(Path(tfsep.__file__).parents[1]).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        things = [thing for thing in vars(module).values() if getattr(thing, "__module__", None) == module.__name__]
        members = [getattr(kind, name) for kind in things if inspect.isclass(kind) for name in vars(kind)]
        for thing in [*things, *members]:
            if (inspect.isroutine(thing) or inspect.isclass(thing)) and ">>>" in (thing.__doc__ or ""):
                found[f"{module.__name__}.{thing.__qualname__}"] = thing
    return {name: thing for name, thing in found.items() if thing not in PUBLIC.values()}


OTHERS = others()


def test_every_public_name_has_an_example():
    assert [name for name in PUBLIC if not examples(name).examples] == []


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A folder as a reader might have it: a song in some formats, multitracks, results and a trained model."""
    folder = tmp_path_factory.mktemp("examples")
    song = tfsep.datasets.embedded()[0]
    shutil.copy(song.mixture.path, folder / "song.stem.mp4")
    rate, samples = song.sample_rate, song.sample_rate
    mixture = song.read("mixture", 0, samples)
    for suffix in ("wav", "flac", "mp3"):
        tfsep.audio.write(folder / f"song.{suffix}", mixture, rate)
    for split, name in (("train", "A - Song"), ("train", "Leaf - Summerghost"), ("test", "B - Song")):
        (folder / "musdb18" / split).mkdir(parents=True, exist_ok=True)
        shutil.copy(song.mixture.path, folder / "musdb18" / split / f"{name}.stem.mp4")
    for name in ("song1", "song2", "song3"):
        (folder / "songs" / name).mkdir(parents=True)
        for source in song.sources:
            tfsep.audio.write(folder / "songs" / name / f"{source}.wav", song.read(source, 0, samples), rate)
    # Small networks in the formats of other projects.
    networks = Path(__file__).parent / "checkpoints" / "networks"
    for source, target in NETWORKS.items():
        shutil.copy(networks / source, folder / target)
    (folder / "trained").mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(folder / "trained" / "model"),
        tensor_names=["conv2d/kernel"],
        shape_and_slices=[""],
        tensors=[tf.zeros((5, 5, 2, 16))],
    )
    # Tiny corpora in their real layouts.
    for part, name in (("Dev", "051 - Song"), ("Test", "001 - Song")):
        shutil.copytree(folder / "songs" / "song1", folder / "dsd100" / "Sources" / part / name)
    for clip in ("mir1k/Wavfile/abjones_1_01", *(f"ikala/Wavfile/{song}_chorus" for song in (10161, 10164, 21025))):
        (folder / clip).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "song.wav", folder / f"{clip}.wav")
    (folder / "ikala" / "id_mapping.txt").write_text("Eve\t10161\nAnn\t10164\nBob\t21025\n")
    for name in ("piano", "speech"):
        (folder / name).mkdir()
        shutil.copy(folder / "song.wav", folder / name)
    keras.utils.set_random_seed(0)
    tfsep.models.UNet(sample_rate=11025, segment=4096, filters=2, depth=2).save(folder / "model.keras")
    return folder


@pytest.mark.parametrize("name", [*(name for name in PUBLIC if examples(name).examples), *OTHERS])
def test_examples_run(name, material, tmp_path, monkeypatch):
    if extra := EXTRAS.get(name.rpartition(".")[2]):
        pytest.importorskip(extra)
    folder = tmp_path / "folder"
    shutil.copytree(material, folder)
    monkeypatch.chdir(folder)
    keras.utils.set_random_seed(0)
    test = examples(name, OTHERS.get(name))
    test.globs = {"tfsep": tfsep, "np": np, "keras": keras, "ops": keras.ops}
    if name in OTHERS:
        test.globs |= vars(sys.modules[OTHERS[name].__module__])
    log: list[str] = []
    failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=log.append)
    assert not failed, "".join(log)
