"""Audio for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf


class AudioSummaries(keras.callbacks.Callback):
    """Write mixture, target and estimate of a few validation windows to TensorBoard.

    Args:
        folder: path of the log folder.
        dataset: `tf.data.Dataset` of `(mixture, {source: audio})`; its first batch is used.
        every: int, number of epochs from one writing to the next, from the first epoch. Defaults to 5.
        examples: int, number of windows. Defaults to 3.
    """

    def __init__(self, folder: str | Path, dataset: tf.data.Dataset, every: int = 5, examples: int = 3):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))
        mixture, sources = next(iter(dataset))
        self.mixture = mixture[:examples]
        self.sources = {name: audio[:examples] for name, audio in sources.items()}
        self.every = every

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._write({"mixture": self.model.centre(self.mixture)}, 0)
        self._write({f"{name}/target": self.model.centre(audio) for name, audio in self.sources.items()}, 0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch % self.every == 0:
            estimates = self.model.separate_window(self.mixture)
            self._write({f"{name}/estimate": audio for name, audio in estimates.items()}, epoch + 1)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.writer.close()

    def _write(self, sounds: dict, step: int) -> None:
        with self.writer.as_default():
            for name, audio in sounds.items():
                tf.summary.audio(name, audio, self.model.sample_rate, step=step, max_outputs=len(audio))
