"""Separation of audio while it arrives."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

# What the thread of a stream tells: all that was possible is done, or everything.
_WAITING, _DONE = "waiting", "done"


class Stream:
    """Audio that is separated while it arrives, with the stems of `Separation.separate` after a constant delay.

    `Separation.stream` makes it. It serves one thread at a time. `push` takes as long as the model whenever a segment
    is complete: call it outside the thread of a sound card.

    Args:
        separate: function from blocks `[n, channels]` to blocks `[n, stems, channels]`.
        names: sequence of str, the stems.
        channels, stem_channels: int, channels of the audio and of its stems.
        latency: int, maximum look-ahead of `separate` in samples.

    Attributes:
        latency: int, samples by which the stems are late: the segment and the context of the model, and what resampling
            and the Wiener filter need.
        names: tuple of str, the stems.

    Example:

    >>> song, sample_rate = tfsep.audio.read("song.wav")
    >>> separation = tfsep.Separation("model.keras")
    >>> vocals = []
    >>> with separation.stream(sample_rate, channels=2) as stream:
    ...     for start in range(0, len(song), 4096):
    ...         vocals.append(stream.push(song[start : start + 4096])["vocals"])
    ...     vocals.append(stream.finish()["vocals"])
    >>> stream.latency
    28382
    >>> bool(np.abs(np.concatenate(vocals) - separation.separate("song.wav")["vocals"]).max() < 1e-6)
    True
    """

    def __init__(
        self,
        separate: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]],
        names: Sequence[str],
        channels: int,
        stem_channels: int,
        latency: int,
    ):
        self.names, self.latency, self._channels = tuple(names), latency, channels
        self._stems = np.zeros((0, len(names), stem_channels), np.float32)
        self._received = self._returned = 0
        self._inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue = queue.SimpleQueue()
        # The thread does not know this object, and ends with it.
        self._close = weakref.finalize(self, self._inbox.put, GeneratorExit)
        threading.Thread(target=_work, args=(separate, self._inbox, self._outbox), daemon=True).start()
        self._collect()

    def push(self, block: np.ndarray) -> dict[str, np.ndarray]:
        """Separate the next samples.

        Args:
            block: float array `[n, channels]`; n may be 0.

        Returns:
            dict from stem to float32 array `[m, channels]`: as many samples as have been pushed, `latency` ago.

        Raises:
            ValueError: if the block is no such array or not finite, after which the stream goes on; if the stream has
                ended.
        """
        if not self._close.alive:
            raise ValueError("The stream has ended. Start another one with Separation.stream.")
        block = np.array(block)
        if block.ndim != 2 or block.shape[1] != self._channels or block.dtype.kind != "f":
            raise ValueError(
                f"A block must be float [samples, {self._channels}]. Received: {block.dtype} of shape {block.shape}."
            )
        with np.errstate(over="ignore"):
            block = block.astype(np.float32)
        if not np.isfinite(block).all():
            raise ValueError("The block contains NaN or infinite samples.")
        if len(block):
            self._inbox.put(block)
            self._received += len(block)
            self._collect()
        return self._take(max(0, self._received - self.latency) - self._returned)

    def finish(self) -> dict[str, np.ndarray]:
        """End the stream and return the stems of its last samples, of which there are `latency` or less."""
        if self._close.alive:
            self._inbox.put(None)
            self._collect()
            self.close()
        return self._take(len(self._stems))

    def close(self) -> None:
        """End the stream, without the rest of its stems."""
        self._close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _collect(self) -> None:
        """Wait until all that can be computed is done."""
        stems = [self._stems]
        try:
            while not isinstance(told := self._outbox.get(), str):
                if isinstance(told, BaseException):
                    raise told
                stems.append(told)
        except BaseException:
            self.close()
            raise
        self._stems = np.concatenate(stems)

    def _take(self, samples: int) -> dict[str, np.ndarray]:
        taken, self._stems = self._stems[:samples], self._stems[samples:]
        self._returned += samples
        return {name: np.ascontiguousarray(taken[:, index]) for index, name in enumerate(self.names)}


def _work(separate: Callable, inbox: queue.SimpleQueue, outbox: queue.SimpleQueue) -> None:
    """Separate what comes from one queue into another, in a thread."""

    def blocks() -> Iterator[np.ndarray]:
        while True:
            outbox.put(_WAITING)
            block = inbox.get()
            if block is None:
                return
            if block is GeneratorExit:
                raise GeneratorExit
            yield block

    try:
        for stems in separate(blocks()):
            outbox.put(stems)
        outbox.put(_DONE)
    except BaseException as error:
        outbox.put(error)
