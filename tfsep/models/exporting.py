"""Models as files for other programs: SavedModel, ONNX and LiteRT."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tfsep import __version__
from tfsep.checks import reason
from tfsep.files import check_space, replacing
from tfsep.layers import real_valued
from tfsep.portable.embedded_facts import KEY, append_facts
from tfsep.portable.facts import FACTS
from tfsep.portable.formats import check_export
from tfsep.startup import notes_dropped

OPSET = 18

# Bytes of a file besides its weights, at most.
_GRAPH_BYTES = 2**22

# Operations that the converters name in their errors.
_OPERATION = re.compile(r"'tf\.(\w+)' op|No Op registered for (\w+)")


def export_model(model, filepath: Path, format: str, weights: str, verbose: bool) -> None:
    """See `Separator.export`."""
    check_export(filepath, format, weights)
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"Models are exported by TensorFlow. Received: KERAS_BACKEND={keras.backend.backend()}.")
    if format != "tf_saved_model" and model.compute_dtype != "float32":
        raise ValueError(f"{format} needs a float32 model. Received: dtype={model.dtype_policy.name!r}.")
    model.ensure_built()
    check_space(filepath, 8 * model.count_params() + _GRAPH_BYTES)
    with replacing(filepath) as temporary:
        if format == "tf_saved_model":
            _write_saved_model(model, temporary, verbose)
        elif format == "onnx":
            _write_onnx(model, temporary)
        else:
            _write_litert(model, temporary, weights)


def _write_saved_model(model, path: Path, verbose: bool) -> None:
    def separate(mixture):
        # Models take no empty tensors: pad to one example of one sample, and cut it off again.
        batch, samples = ops.shape(mixture)[0], ops.shape(mixture)[1]
        missing = [[0, ops.maximum(0, 1 - batch)], [0, ops.maximum(0, 1 - samples)], [0, 0]]
        estimates = model(ops.pad(mixture, missing), training=False)
        return {name: estimate[:batch, :samples] for name, estimate in estimates.items()}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("separate", separate, _signature(model, None))  # Keras calls it serving_default too
    if model.context:  # `separate` would add zeros to a window, and measure its level with them
        samples = model.segment + 2 * model.context if model.fixed_length else None
        archive.add_endpoint("separate_window", model.separate_window, _signature(model, samples))
    archive.write_out(str(path), verbose=verbose)
    (path / FACTS).parent.mkdir()
    (path / FACTS).write_text(json.dumps(model.describe_any_length(), indent=2) + "\n", encoding="utf-8")


def _signature(model, samples: int | None, batch: int | None = None) -> list[keras.InputSpec]:
    return [keras.InputSpec(shape=(batch, samples, model.channels), dtype="float32", name="mixture")]


class _Windows(keras.Model):
    """A separator as a function of windows, of a fixed shape and one at a time."""

    def __init__(self, separator):
        super().__init__(autocast=False, name="windows")
        self.separator = separator
        self.built = True

    def call(self, mixture):
        return self.separator.separate_window(mixture)

    def write(self, path: Path, format: str, **options) -> None:
        signature = _signature(self.separator, self.separator.segment + 2 * self.separator.context, batch=1)
        with _failures_told(type(self.separator).__name__, format), real_valued(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of converters about themselves
            self.export(path, format, input_signature=signature, verbose=False, **options)

    def facts(self) -> dict:
        # One window at a time, and songs in segments whatever their length.
        fixed = {"batch_size": 1, "longest_segment": 0}
        network = type(self.separator).__name__
        return {"tfsep": __version__, "network": network, **self.separator.describe(), **fixed}


def _write_onnx(model, path: Path) -> None:
    windows = _Windows(model)
    windows.write(path, "onnx", opset_version=OPSET)
    import onnx

    proto = onnx.load(path)
    with _failures_told(type(model).__name__, "onnx"):  # the converter lets unknown operations pass
        onnx.checker.check_model(proto)
    onnx.helper.set_model_props(proto, {KEY: json.dumps(windows.facts())})
    onnx.save(proto, path)


def _write_litert(model, path: Path, weights: str) -> None:
    import tensorflow as tf

    # Keras would also allow operations of TensorFlow, which no runtime in Python has any more.
    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if weights == "float16":
        target["supported_types"] = [tf.float16]
    options = {} if weights == "float32" else {"optimizations": [tf.lite.Optimize.DEFAULT]}
    windows = _Windows(model)
    windows.write(path, "litert", target_spec=target, **options)
    if weights != "float32" and not _is_finite_at_silence(path):
        raise RuntimeError(
            f"{type(model).__name__} cannot be exported with weights={weights!r}: silence would give NaN, as constants "
            "round to zero."
        )
    append_facts(path, windows.facts())


def _is_finite_at_silence(path: Path) -> bool:
    import tensorflow as tf

    with warnings.catch_warnings(), notes_dropped():
        warnings.simplefilter("ignore")  # TensorFlow announces that its interpreter will move
        interpreter = tf.lite.Interpreter(str(path))
        interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], np.float32))
    interpreter.invoke()
    outputs = interpreter.get_output_details()
    return all(np.isfinite(interpreter.get_tensor(output["index"])).all() for output in outputs)


@contextmanager
def _failures_told(network: str, format: str) -> Iterator[None]:
    """Raise RuntimeError of one line for whatever a converter raises."""
    try:
        yield
    except ImportError as error:
        raise RuntimeError(f"{format} needs another package: pip install 'tfsep[{format}]'.") from error
    except Exception as error:  # of many kinds
        names = {name for match in _OPERATION.findall(str(error)) for name in match if name}
        cause = f"the format has no {', '.join(sorted(names))}" if names else reason(error)
        if "xf64>" in str(error):
            cause = "the format does not compute in float64"
        raise RuntimeError(f"{network} cannot be exported as {format}: {cause}.") from error
