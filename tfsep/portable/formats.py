"""Formats of exported models."""

from __future__ import annotations

from pathlib import Path

from tfsep.checks import check_choice
from tfsep.files import check_new

# Names on the command line: Keras's name, and the suffix of the file; a SavedModel is a folder.
FORMATS = {"savedmodel": ("tf_saved_model", None), "onnx": ("onnx", ".onnx"), "litert": ("litert", ".tflite")}
WEIGHTS = ("float32", "float16", "int8")


def check_export(filepath: Path, format: str, weights: str = "float32") -> None:
    """Raise ValueError or FileExistsError if no model can be exported like this.

    Args:
        filepath: path of the file or folder.
        format: str, Keras's name of the format.
        weights: str, precision of the weights.
    """
    suffixes = dict(FORMATS.values())
    check_choice("format", format, tuple(suffixes))
    check_choice("weights", weights, WEIGHTS)
    if weights != "float32" and format != "litert":
        raise ValueError(f"Only litert has weights other than float32. Received: weights={weights!r}, format={format}.")
    suffix = suffixes[format]
    if suffix is not None and filepath.suffix.lower() != suffix:
        raise ValueError(f"The name of a file in the format {format} must end in {suffix}. Received: {filepath}.")
    check_new(filepath)
