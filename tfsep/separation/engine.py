"""Separation of long audio in overlapping segments, in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tfsep.checks import check_integer, check_number
from tfsep.separation import chunking
from tfsep.separation.threads import call_ahead


def separate_blocks(
    blocks: Iterable[np.ndarray],
    samples: int | None,
    channels: int,
    model,
    *,
    overlap: float | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """Separate a stream of audio at the model's sample rate.

    The audio is cut into overlapping segments, which the model receives with their real neighbours as context, and the
    estimates are cross-faded with weights that sum to one. The model always receives the same shape, so it is compiled
    once. A model may change these rules by its attributes `overlap`, `batch_size`, `fade`, `edges`, `lead` and
    `longest_segment`; see `tfsep.models.Separator`.

    Args:
        blocks: float32 arrays `[n, channels]` of any lengths, `samples` in total.
        samples: int, length of the audio; None if it is not known yet.
        channels: int, channels of the audio. A mono model receives each channel as a separate example; a model with
            more channels receives mono duplicated, and the mean of its channels is returned.
        model: a `Separator`, or an object with its `sources`, `channels`, `segment`, `context` and `separate_window`.
        overlap: float in [0, 1), fraction of each segment that overlaps the next. Defaults to the model's, usually
            0.25.
        batch_size: int, examples in a call of the model. Defaults to the model's, usually 4.
        progress: function that is called with the samples done and `samples`. Defaults to None.

    Yields:
        float32 arrays `[n, sources, channels]`, `samples` in total.

    Raises:
        ValueError: if the model does not support that many channels, for an overlap or batch size out of range, or if
            the model needs the length.

    Example:

    >>> model = tfsep.load_model("model.keras")
    >>> blocks = tfsep.audio.blocks("song.wav", 8192)
    >>> stems = tfsep.separation.separate_blocks(blocks, samples=44100, channels=2, model=model)
    >>> np.concatenate(list(stems)).shape
    (44100, 2, 2)
    """
    check_options(overlap, batch_size)
    batch_size = getattr(model, "batch_size", 4) if batch_size is None else batch_size
    fade, edges = getattr(model, "fade", "overlap"), getattr(model, "edges", "zeros")
    segment, hop = segment_and_hop(model, samples, overlap)
    estimate = _adapt_channels(model, channels, batch_size)
    blocks = song = chunking.Counted(blocks)
    before = lead = getattr(model, "lead", 0)
    if edges == "reflect":
        blocks, before = chunking.reflect_ends(blocks, segment - hop)
    elif lead:
        blocks = itertools.chain([np.zeros((lead, channels), np.float32)], blocks)
    edges, weights = "frames" if fade == "frames" else edges, _weights(fade, segment, hop, lead)
    chunks = chunking.cut(blocks, channels, segment, model.context, hop, edges)
    # Computing ahead delays output by one batch, so live streams do not.
    call = map if samples is None else call_ahead
    estimates = _estimates(chunks, estimate, _windows_at_a_time(model, channels, batch_size), call)
    stems = _overlap_add(estimates, weights, hop, faded=fade == "frames")
    done = 0
    for block in song.trim(chunking.crop(stems, before)):
        yield block
        done += len(block)
        if progress is not None:
            progress(done, samples)


def stream_delay(model, channels: int, overlap: float | None = None, batch_size: int | None = None) -> int:
    """Return the maximum look-ahead in samples: input read beyond the last finished output."""
    segment, hop = segment_and_hop(model, None, overlap)
    batch_size = getattr(model, "batch_size", 4) if batch_size is None else batch_size
    at_a_time = _windows_at_a_time(model, channels, batch_size)
    delay = segment + model.context + (at_a_time - 1) * hop - 1
    return max(delay, 2 * (segment - hop)) if getattr(model, "edges", "zeros") == "reflect" else delay


def segment_and_hop(model, samples: int | None, overlap: float | None = None) -> tuple[int, int]:
    """Return the length of a segment and the distance from one to the next, for audio of `samples`."""
    overlap = getattr(model, "overlap", 0.25) if overlap is None else overlap
    longest = getattr(model, "longest_segment", 0)
    if longest and samples is None:
        raise ValueError("This model takes a song as a whole, and needs its length first.")
    segment = max(1, min(samples, longest)) if longest else model.segment
    return segment, max(1, round(segment * (1 - overlap)))


def check_options(overlap: float | None, batch_size: int | None) -> None:
    """Raise ValueError for an overlap or a batch size out of range; None selects the model's own."""
    check_number("overlap", overlap, least=0, below=1, optional=True)
    check_integer("batch_size", batch_size, optional=True)


def _windows_at_a_time(model, channels: int, batch_size: int) -> int:
    return batch_size if model.channels > 1 else max(1, batch_size // channels)


def _batches(things: Iterable, batch_size: int) -> Iterator[list]:
    things = iter(things)
    while batch := list(itertools.islice(things, batch_size)):
        yield batch


def _estimates(
    chunks: Iterable[tuple[np.ndarray, slice]], estimate: Callable, at_a_time: int, call: Callable
) -> Iterator[np.ndarray]:
    """Yield the estimates of chunks, without those of the samples that fill up their windows."""

    def estimates(batch: list) -> list[np.ndarray]:
        windows, used = zip(*batch, strict=True)
        return [part[samples] for part, samples in zip(estimate(np.stack(windows)), used, strict=True)]

    return itertools.chain.from_iterable(call(estimates, _batches(chunks, at_a_time)))


def _weights(fade: str, segment: int, hop: int, n_fft: int) -> np.ndarray:
    """Return the weights of a segment's samples in the cross-fade."""
    return chunking.frame_weights(segment, n_fft) if fade == "frames" else chunking.weights(fade, segment, hop)


def _adapt_channels(model, channels: int, batch_size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model as a function from windows `[n, size, channels]` to `[n, segment, sources, channels]`."""
    if channels == model.channels:
        per_window, repeats = 1, 1
    elif model.channels == 1:
        per_window, repeats = channels, 1
    elif channels == 1:
        per_window, repeats = 1, model.channels
    else:
        raise ValueError(
            f"The model separates audio of {model.channels} channels. Received: {channels} channels. Convert them "
            f"to {model.channels} or to mono, or surround sound to stereo by downmix=True (--downmix)."
        )
    run = getattr(model, "compiled_separate_window", model.separate_window)

    def separate_batch(examples: np.ndarray) -> np.ndarray:
        # The last batch is padded, so that the model always receives the same shape.
        missing = batch_size - len(examples)
        waveforms = run(np.pad(examples, ((0, missing), (0, 0), (0, 0))) if missing else examples)
        return np.stack([np.asarray(waveforms[name])[: len(examples)] for name in model.sources], axis=2)

    def estimate(windows: np.ndarray) -> np.ndarray:
        count, size, _ = windows.shape
        if len(windows) == batch_size and (per_window, repeats) == (1, 1):
            return separate_batch(windows)
        examples = np.moveaxis(windows, 2, 1).reshape(count * per_window, -1, size)
        examples = np.moveaxis(np.repeat(examples, repeats, axis=1), 1, 2)
        stacked = np.concatenate([separate_batch(np.stack(batch)) for batch in _batches(examples, batch_size)])
        if repeats > 1:
            stacked = stacked.mean(axis=3, keepdims=True)
        if per_window > 1:
            stacked = stacked.reshape(count, per_window, *stacked.shape[1:3])
            stacked = np.moveaxis(stacked, 1, 3)
        return stacked

    return estimate


def _overlap_add(
    estimates: Iterable[np.ndarray], weights: np.ndarray, hop: int, faded: bool = False
) -> Iterator[np.ndarray]:
    """Cross-fade estimates `[n, ...]` at intervals of `hop`, and yield each sample once it is complete.

    With `faded`, the estimates are already multiplied by the weights.
    """
    sums: np.ndarray | None = None
    weights = weights.astype(np.float32)
    norms = np.zeros_like(weights)
    kept = len(weights) - hop
    for estimate in estimates:
        length, trailing = len(estimate), (1,) * (estimate.ndim - 1)
        sums = np.zeros((len(weights), *estimate.shape[1:]), np.float32) if sums is None else sums
        sums[:length] += estimate if faded else weights[:length].reshape(-1, *trailing) * estimate
        norms[:length] += weights[:length]
        count = min(hop, length)
        yield sums[:count] / norms[:count].reshape(-1, *trailing)
        for total in (sums, norms):
            total[:kept] = total[hop:]
            total[kept:] = 0
    if sums is not None and length > hop:  # the last one goes on
        rest = length - hop
        yield sums[:rest] / norms[:rest].reshape(-1, *trailing)
