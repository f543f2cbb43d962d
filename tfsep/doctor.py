"""Versions and abilities of this installation."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("tfsep", "tensorflow", "keras", "numpy", "scipy", "librosa", "soundfile", "soxr", "av")
OPTIONAL = (
    *("jax", "musdb", "museval", "onnxruntime", "tf2onnx", "ai-edge-litert", "apache-beam", "lmdb", "starlette"),
    *("uvicorn", "huggingface-hub", "tensorflow-io", "nussl"),
)
_SIZE = 2048


def report() -> Iterator[tuple[str, str]]:
    """Yield (subject, finding) for each package, program and device of this installation."""
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in (*PACKAGES, *OPTIONAL):
        yield name, _version(name)
    yield from _unless_broken("libsndfile", _libsndfile)
    yield from _unless_broken("FFmpeg libraries", _ffmpeg_libraries)
    for program in ("ffmpeg", "ffprobe"):
        found = shutil.which(program)
        yield program, found or "not found (only the packages musdb and museval need it)"
    yield from _unless_broken("TensorFlow", _devices)
    yield from _unless_broken("training", _training)


def _unless_broken(subject: str, findings: Callable[[], Iterator[tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    """Yield the findings about a package, or why it cannot be used; the report then continues."""
    try:
        yield from findings()
    except Exception as error:  # a broken package may raise any error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        yield subject, f"cannot be used: {lines[0]}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _libsndfile() -> Iterator[tuple[str, str]]:
    import soundfile

    formats = {"WAV", "FLAC", "OGG", "MP3", "AIFF"} & set(soundfile.available_formats())
    if "OPUS" in soundfile.available_subtypes("OGG"):
        formats.add("OPUS")
    yield f"libsndfile {soundfile.__libsndfile_version__}", f"reads {' '.join(sorted(formats))}"


def _ffmpeg_libraries() -> Iterator[tuple[str, str]]:
    import av

    yield "FFmpeg libraries", f"{av.ffmpeg_version_info}, AAC {'yes' if 'aac' in av.codecs_available else 'no'}"


def _devices() -> Iterator[tuple[str, str]]:
    import tensorflow as tf

    built = "with CUDA" if tf.test.is_built_with_cuda() else "without CUDA"
    yield "TensorFlow build", built
    for device in tf.config.list_logical_devices():
        if device.device_type not in ("CPU", "GPU", "TPU"):
            continue
        details = next((d for d in tf.config.list_physical_devices() if d.name.endswith(device.name[-5:])), None)
        name = tf.config.experimental.get_device_details(details).get("device_name", "") if details else ""
        yield device.name, f"{name} {_multiplication_rate(device.name):.0f} GFLOP/s in float32".strip()


def _training() -> Iterator[tuple[str, str]]:
    from tfsep.training.strategies import describe

    yield "training", describe()


def _multiplication_rate(device: str) -> float:
    """Return the rate of a matrix multiplication, in 1e9 operations per second."""
    import tensorflow as tf

    with tf.device(device):
        matrix = tf.random.normal((_SIZE, _SIZE))
        tf.matmul(matrix, matrix).numpy()
        start = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        return 2 * _SIZE**3 / (time.perf_counter() - start) / 1e9
