"""Separators from ONNX and LiteRT files, which run without TensorFlow and Keras."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from tfsep.checks import reason
from tfsep.portable.embedded_facts import read_facts
from tfsep.portable.facts import SONG_RULES, check_facts
from tfsep.startup import chosen_device, chosen_threads, notes_dropped

_NAMES = ("sources", "sample_rate", "channels", "segment", "context", *SONG_RULES)


class PortableSeparator:
    """Base of models from files that `Separator.export` has written for other runtimes.

    Attributes:
        sources, sample_rate, channels, segment, context: see `Separator`.
        facts: dict of all facts in the file, such as `licence`.

    Args:
        path: path of the file.

    Raises:
        ValueError: if the file contains no facts about a separator, or some out of range.
        RuntimeError: if it is damaged, or the package that runs it is not installed.
    """

    # Name of the format, and the extra with the package that runs it.
    format: str
    extra: str

    # Set from the file.
    sources: tuple[str, ...]
    sample_rate: int
    channels: int
    segment: int
    context: int

    def __init__(self, path: str | Path):
        self._path = str(path)
        self.facts = _read(path)
        for name in _NAMES:
            setattr(self, name, self.facts[name])
        self.sources = tuple(self.sources)
        try:
            self._load()
        except ImportError as error:
            raise RuntimeError(
                f"{self.format} files need another package: pip install 'tfsep[{self.extra}]'."
            ) from error
        except Exception as error:  # of many kinds
            raise _damaged(path, error) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r}, sources={self.sources})"

    def separate_window(self, window) -> dict:
        """Separate windows `[batch, segment + 2 * context, channels]`, one by one; see `Separator.separate_window`.

        Returns:
            dict from source to float32 array `[batch, segment, channels]`.

        Raises:
            ValueError: for windows of another shape.
        """
        window = np.asarray(window, np.float32)
        size = self.segment + 2 * self.context
        if window.ndim != 3 or window.shape[1:] != (size, self.channels):
            raise ValueError(
                f"Windows must be [batch, samples={size}, channels={self.channels}]. Received: shape={window.shape}."
            )
        estimates = [self._run(example[np.newaxis]) for example in window]
        return {name: np.concatenate([estimate[name] for estimate in estimates]) for name in self.sources}

    def _load(self) -> None:
        raise NotImplementedError

    def _run(self, window: np.ndarray) -> dict[str, np.ndarray]:
        """Return the estimates of one window."""
        raise NotImplementedError


class ONNXSeparator(PortableSeparator):
    """A model from an ONNX file, which onnxruntime runs; it takes several threads at a time.

    Args:
        path: path of the file.

    Raises:
        See `PortableSeparator`.

    Example:

    >>> tfsep.models.UNet(filters=1, depth=0).export("unet.onnx", format="onnx")
    >>> tfsep.portable.ONNXSeparator("unet.onnx").sources
    ('vocals', 'drums')
    """

    format, extra = "ONNX", "onnx"

    def _load(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = chosen_threads()
        providers = ["CPUExecutionProvider"] if chosen_device() == "cpu" else onnxruntime.get_available_providers()
        self._session = onnxruntime.InferenceSession(self._path, options, providers=providers)

    def _run(self, window: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.sources, self._session.run(list(self.sources), {"mixture": window}), strict=True))


class LiteRTSeparator(PortableSeparator):
    """A model from a LiteRT (TensorFlow Lite) file, which ai-edge-litert runs; threads take turns.

    Args:
        path: path of the file.

    Raises:
        See `PortableSeparator`.

    Example:

    >>> tfsep.models.UNet(filters=1, depth=0).export("unet.tflite", format="litert")
    >>> tfsep.portable.LiteRTSeparator("unet.tflite").sources
    ('vocals', 'drums')
    """

    format, extra = "LiteRT", "litert"

    def _load(self) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with notes_dropped():
            interpreter = Interpreter(self._path, num_threads=chosen_threads())
            interpreter.allocate_tensors()
        self._runner = interpreter.get_signature_runner()
        self._lock = threading.Lock()

    def _run(self, window: np.ndarray) -> dict[str, np.ndarray]:
        with self._lock:
            return self._runner(mixture=window)


PORTABLE = {".onnx": ONNXSeparator, ".tflite": LiteRTSeparator}


def is_portable(model) -> bool:
    """Whether a model is given as the path of an ONNX or a LiteRT file."""
    return isinstance(model, (str, Path)) and Path(model).suffix.lower() in PORTABLE


def load_portable(path: Path) -> PortableSeparator:
    """Load the model of an ONNX or a LiteRT file; see `PortableSeparator` for the errors."""
    return PORTABLE[path.suffix.lower()](path)


def _read(path: str | Path) -> dict:
    try:
        facts = read_facts(path)
    except OSError as error:
        raise _damaged(path, error) from error
    try:
        check_facts({name: facts[name] for name in _NAMES})
    except KeyError as error:
        raise ValueError(f"{path}: the facts in the file have no {error}.") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return facts


def _damaged(path: str | Path, error: Exception) -> RuntimeError:
    return RuntimeError(f"{path} is not a complete model of tfsep: it is damaged ({reason(error)}).")
