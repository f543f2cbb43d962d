"""The devices of a training: one, several of this machine, or several machines."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import keras

from tfsep.checks import check_choice
from tfsep.pipeline import Share
from tfsep.training.recipe import STRATEGIES


class WorkerLostError(RuntimeError):
    """Another machine of the training stopped or was started again; this one has to join it anew."""


@dataclass(frozen=True)
class Strategy:
    """The devices of a training.

    Args:
        native: the `tf.distribute.Strategy` or `keras.distribution.Distribution`; None for the one device of JAX.
        scope: function that returns the context in which models are made.
        running: function that returns the context in which they are trained.
        share: `tfsep.pipeline.Share`, the replicas that this process feeds. Defaults to the only one.

    Example:

    >>> strategy = tfsep.training.find_strategy("cpu")
    >>> strategy.is_chief
    True
    """

    native: Any
    scope: Callable[[], AbstractContextManager]
    running: Callable[[], AbstractContextManager]
    share: Share = field(default_factory=Share)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.share.first == 0

    def distribute(self, dataset) -> tuple[Any, int | None]:
        """Return a dataset of the pipeline as one for `Separator.fit`, and its steps if it does not end."""
        if self.share.total == 1 or keras.backend.backend() != "tensorflow":
            return dataset, None
        steps = len(dataset) // self.share.count
        return self.native.distribute_datasets_from_function(lambda _: dataset.repeat()), steps


def find_strategy(name: str = "auto") -> Strategy:
    """Return the devices that a name means, here.

    Args:
        name: str. `"mirrored"`: all GPUs of this machine, or all devices of JAX, with a copy of the model on each.
            `"multiworker"`: the machines of `$TF_CONFIG`, which wait for each other. `"cpu"`: one CPU. `"auto"`:
            machines or devices, if there are several, else the one that there is. Defaults to `"auto"`.

    Returns:
        The `Strategy`. Make models in its `scope()`, and train them in its `running()`.

    Raises:
        ValueError: if the name is another one, or the environment or the backend does not allow it.
        WorkerLostError: if another machine was started again meanwhile.

    Example:

    >>> strategy = tfsep.training.find_strategy("cpu")
    >>> with strategy.scope():
    ...     model = tfsep.models.UNet(sample_rate=11025, segment=4096, filters=2, depth=2)
    >>> strategy.share.total
    1
    """
    check_choice("strategy", name, STRATEGIES)
    return _find_tensorflow(name) if keras.backend.backend() == "tensorflow" else _find_jax(name)


def strategy_of(model: keras.Model) -> Strategy:
    """Return the devices for which a model was made; under JAX, those of the current context."""
    if keras.backend.backend() == "tensorflow":
        return _of_tensorflow(model.distribute_strategy)
    return _of_jax(keras.distribution.distribution())


def describe() -> str:
    """Return what a training would use here, as `strategy="auto"` does."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if _tensorflow_default() == "multiworker":
            return f"{len(_workers())} machines of TF_CONFIG, under TensorFlow"
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")[:1]
        names, backend = [device.name.rpartition("/device:")[2] for device in devices], "TensorFlow"
    else:
        import jax

        names, backend = [f"{device.platform.upper()}:{device.id}" for device in jax.devices()], "JAX"
    copies = ", a copy of the model on each" if len(names) > 1 else ""
    return f"{', '.join(names)}{copies}, under {backend}"


@contextlib.contextmanager
def _errors_told() -> Iterator[None]:
    """Raise the errors of the pipeline, and that a machine was lost, instead of TensorFlow's reports of them."""
    import tensorflow as tf

    from tfsep.pipeline.python_calls import original_errors

    try:
        with original_errors():
            yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise WorkerLostError(
            "A worker was lost. Start all of them again with --resume to continue after the last complete epoch."
        ) from error


def _find_tensorflow(name: str) -> Strategy:
    import tensorflow as tf

    name = _tensorflow_default() if name == "auto" else name
    return _of_tensorflow(tf.distribute.get_strategy() if name == "auto" else _native(name))


def _tensorflow_default() -> str:
    import tensorflow as tf

    if len(_workers()) > 1:
        return "multiworker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "auto"


@functools.cache
def _native(name: str):
    """Return a strategy of `tf.distribute`; models are of the strategy in whose scope they were made."""
    import tensorflow as tf

    if name == "multiworker":
        return _cluster()
    if name == "cpu":
        return tf.distribute.OneDeviceStrategy("CPU:0")
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _cluster():
    import tensorflow as tf

    if len(_workers()) < 2:
        example = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
        raise ValueError(
            f"multiworker needs several workers in TF_CONFIG, such as {example}. "
            f"Received: TF_CONFIG={os.environ.get('TF_CONFIG')}."
        )
    with _errors_told():
        return tf.distribute.MultiWorkerMirroredStrategy()


def _workers() -> list[str]:
    """Return the addresses of the machines in `$TF_CONFIG`."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        return list(json.loads(text).get("cluster", {}).get("worker", []))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"TF_CONFIG must be a cluster in JSON. Received: TF_CONFIG={text}.") from error


def _of_tensorflow(native) -> Strategy:
    total, resolver = native.num_replicas_in_sync, native.cluster_resolver
    count, first = total, 0
    if resolver is not None:
        count = total // len(resolver.cluster_spec().as_dict()["worker"])
        first = resolver.task_id * count
    # Not in its scope: all machines would have to make the variables that one makes.
    return Strategy(native, native.scope, _errors_told, Share(first, count, total))


def _find_jax(name: str) -> Strategy:
    import jax

    if name == "multiworker":
        raise ValueError("multiworker needs the TensorFlow backend. Received: KERAS_BACKEND=jax.")
    if name == "cpu":
        device = functools.partial(jax.default_device, jax.devices("cpu")[0])
        return Strategy(None, device, device)
    return _of_jax(_all_devices() if name == "mirrored" or jax.device_count() > 1 else None)


@functools.cache
def _all_devices() -> keras.distribution.DataParallel:
    return keras.distribution.DataParallel(devices=keras.distribution.list_devices())


def _of_jax(native: keras.distribution.Distribution | None) -> Strategy:
    if native is None:
        return Strategy(None, contextlib.nullcontext, contextlib.nullcontext)
    devices = native.device_mesh.devices.size
    return Strategy(native, native.scope, native.scope, Share(0, devices, devices))
