"""Training by L-BFGS on one large batch, as published for the deep recurrent networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import scipy.optimize
import tensorflow as tf

from tfsep.checks import check_integer
from tfsep.models import Separator
from tfsep.progress import progress_bar


def fit_lbfgs(
    model: Separator,
    batches: Iterable,
    *,
    iterations: int = 400,
    corrections: int = 50,
    score: Callable[[Separator], float] | None = None,
    score_every: int = 20,
    patience: int | None = None,
    callback: Callable[[int, dict], None] | None = None,
    progress: bool = False,
) -> dict[str, list]:
    """Minimize a model's loss over a fixed set of batches with SciPy's L-BFGS.

    The loss is the mean over all examples of all batches, and each step of the optimizer uses all of them. For the
    full batch of a corpus give `tfsep.pipeline.windows(tracks, model)`; for a large fixed batch with augmentations,
    one epoch of `tfsep.pipeline.excerpts` as a list. For several such batches, call this function once for each.

    Args:
        model: the model. Its compiled loss is minimized, or its published loss if it is not compiled.
        batches: batches of `(mixture, sources)`, iterated over once for each evaluation of the loss, the same each
            time: a dataset or a list.
        iterations: int, maximum number of iterations. Defaults to 400.
        corrections: int, steps remembered to approximate the Hessian. Defaults to 50.
        score: function from the model to a float, greater is better, which chooses the best weights. Defaults to
            None, keep the last weights.
        score_every: int, iterations between scores; the last weights are scored in any case. Defaults to 20.
        patience: int, scores without a better one before stopping. Defaults to None, no limit.
        callback: function called after each iteration with its number, from 1, and `{"loss": ...}`, with `"score"`
            where there is one. Defaults to None.
        progress: bool, show a progress bar. Defaults to False.

    Returns:
        dict of `"loss"`, one for each iteration, and `"score"`, pairs of iteration and score. The model has the
        weights of the best score, or the last ones.

    Raises:
        ValueError: for invalid arguments, or no batches.
        RuntimeError: if the loss is infinite or not a number at the start.

    Example:

    >>> songs = tfsep.datasets.StemsFolder("songs", split=None)
    >>> model = tfsep.models.UNet(sample_rate=11025, segment=4096, filters=2, depth=2)
    >>> batches = list(tfsep.pipeline.windows(songs[:1], model, batch_size=1).take(1))
    >>> history = tfsep.training.fit_lbfgs(model, batches, iterations=2)
    >>> history["loss"][1] < history["loss"][0]
    True

    Reference:

    - [Liu and Nocedal, 1989, On the limited memory BFGS method for large scale
      optimization](https://doi.org/10.1007/BF01589116)
    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf), with 400
      iterations and 50 corrections on the full batch
    """
    for name, value in (("iterations", iterations), ("corrections", corrections), ("score_every", score_every)):
        check_integer(name, value)
    if patience is not None and (patience < 1 or score is None):
        raise ValueError(f"patience must be at least 1, and needs a score. Received: patience={patience!r}.")
    if iter(batches) is batches:
        raise ValueError("batches can be iterated over only once. Give a dataset or a list.")
    weights = _Weights(model.trainable_variables)
    run = _Run(model, weights, score, score_every, patience, callback)
    objective = _objective(model, weights, batches)
    loss, _ = objective(weights.get())
    if not np.isfinite(loss):
        raise RuntimeError(f"The loss is {loss} at the start. Check the data and the weights of the model.")
    with progress_bar("L-BFGS", iterations, leave=True, disable=not progress) as run.bar:
        try:
            result = scipy.optimize.minimize(
                objective,
                weights.get(),
                jac=True,
                method="L-BFGS-B",
                callback=run.after_iteration,
                options={"maxiter": iterations, "maxcor": corrections, "maxfun": 20 * iterations},
            )
            weights.set(result.x)
            run.score_last()
        except _OutOfPatienceError:
            pass
    run.restore_best()
    return run.history


class _OutOfPatienceError(Exception):
    """Leave SciPy's loop."""


class _Weights:
    """A model's trainable weights as one vector."""

    def __init__(self, variables: list):
        self.variables = variables
        self.ends = np.cumsum([int(np.prod(variable.shape)) for variable in variables])

    def get(self) -> np.ndarray:
        return self.join([variable.numpy() for variable in self.variables])

    def set(self, vector: np.ndarray) -> None:
        parts = np.split(vector, self.ends[:-1])
        for variable, part in zip(self.variables, parts, strict=True):
            variable.assign(part.reshape(variable.shape).astype(np.float32))

    def join(self, arrays: list) -> np.ndarray:
        """Return one vector, float64 as in SciPy."""
        return np.concatenate([np.ravel(array) for array in arrays]).astype(np.float64)


class _Run:
    """The state between iterations: history, scores, the best weights."""

    def __init__(self, model, weights, score, score_every, patience, callback):
        self.model, self.weights = model, weights
        self.score, self.score_every, self.patience = score, score_every, patience
        self.callback, self.bar = callback, None
        self.history = {"loss": [], "score": []}
        self.best_weights, self.best_score, self.scores_since_best = None, -np.inf, 0

    def after_iteration(self, intermediate_result) -> None:
        self.weights.set(intermediate_result.x)
        logs = {"loss": float(intermediate_result.fun)}
        self.history["loss"].append(logs["loss"])
        iteration = len(self.history["loss"])
        if self.score is not None and iteration % self.score_every == 0:
            logs["score"] = self._take_score(iteration)
        self.bar.update()
        self.bar.set_postfix({name: f"{value:.4g}" for name, value in logs.items()})
        if self.callback is not None:
            self.callback(iteration, logs)
        if self.patience is not None and self.scores_since_best >= self.patience:
            raise _OutOfPatienceError

    def score_last(self) -> None:
        iteration = len(self.history["loss"])
        if self.score is not None and iteration % self.score_every:
            self._take_score(iteration)

    def restore_best(self) -> None:
        if self.best_weights is not None:
            self.weights.set(self.best_weights)

    def _take_score(self, iteration: int) -> float:
        score = float(self.score(self.model))
        self.history["score"].append((iteration, score))
        self.scores_since_best += 1
        if score > self.best_score:
            self.best_score, self.best_weights, self.scores_since_best = score, self.weights.get(), 0
        return score


def _objective(model: Separator, weights: _Weights, batches: Iterable) -> Callable:
    """Return the loss and its gradient over all batches as a function of the vector of weights."""

    @tf.function(reduce_retracing=True)
    def loss_and_gradients(mixture: tf.Tensor, sources: dict) -> tuple:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(mixture, sources, model(mixture, training=True))
        return loss, tape.gradient(loss, weights.variables)

    def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
        weights.set(vector)
        examples, total, gradient = 0, 0.0, np.zeros_like(vector)
        for mixture, sources in batches:
            count = len(mixture)
            loss, gradients = loss_and_gradients(mixture, sources)
            examples += count
            total += count * float(loss)
            gradient += count * weights.join(gradients)
        if not examples:
            raise ValueError("batches is empty. Expected one or more batches of (mixture, sources).")
        return total / examples, gradient / examples

    return objective
