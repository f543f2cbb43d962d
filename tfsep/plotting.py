"""Figures of training curves, waveforms and spectrograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from tfsep.files import replacing

N_FFT = 2048  # of every spectrogram that is drawn
_INK, _QUIET, _LANE = "#1c1f24", "#5d6470", "#f1f2f4"
_COLORS = {
    "vocals": "#c43e5c",
    "drums": "#c2700a",
    "bass": "#2f7d4f",
    "other": "#2f6fb5",
    "accompaniment": "#3d6a9e",
    "guitar": "#8a6a14",
    "piano": "#7d4fb0",
    "residual": "#0f7c8a",
    "mixture": "#6d7480",
}

__all__ = ["plot_losses", "plot_sources", "plot_spectrograms", "plot_waveforms"]


def __dir__() -> list[str]:
    return __all__


def plot_losses(history: Mapping[str, list[float]], path: str | Path) -> None:
    """Draw training and validation curves, one panel per loss.

    Args:
        history: dict from name to one value per epoch, as `model.fit` returns it in `.history`.
        path: path of the figure, `.png`, `.pdf` or `.svg`.

    Raises:
        ValueError: if figures of that suffix cannot be drawn.

    Example:

    >>> tfsep.plotting.plot_losses({"loss": [0.3, 0.2], "val_loss": [0.4, 0.3]}, "losses.png")
    """
    losses = sorted((name for name in history if name.endswith("loss") and not name.startswith("val_")), key=len)
    figure = _figure(4.0 * len(losses), 3.2)
    for panel, name in enumerate(losses, start=1):
        axes = figure.add_subplot(1, len(losses), panel, title=name, xlabel="epoch")
        for curve, label in ((name, "training"), (f"val_{name}", "validation")):
            if curve in history:
                axes.plot(range(1, len(history[curve]) + 1), history[curve], label=label)
        if axes.dataLim.y0 > 0:  # the loss of a critic may be negative
            axes.set_yscale("log")
        axes.legend()
    _save(figure, path)


def plot_waveforms(stems: Mapping[str, np.ndarray], sample_rate: int, path: str | Path) -> None:
    """Draw the waveform of each stem, one lane per stem on a common scale, over minutes and seconds.

    Args:
        stems: dict from name to float array `[samples, channels]`.
        sample_rate: int, in hertz.
        path: path of the figure, as in `plot_losses`.

    Example:

    >>> stems = tfsep.datasets.embedded()[0].read_all(("vocals", "drums"), 0, 44100)
    >>> tfsep.plotting.plot_waveforms(stems, 44100, "waveforms.png")
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure = _figure(10.0, 0.5 + 1.2 * len(stems))
    peak = max(1e-6, *(float(np.abs(stem).max(initial=0.0)) for stem in stems.values()))
    panels = figure.subplots(len(stems), sharex=True, squeeze=False)[:, 0]
    for axes, (name, stem), color in zip(panels, stems.items(), stem_colors(stems), strict=True):
        axes.set(ylim=(-peak, peak), yticks=[], xlim=(0, len(stem) / sample_rate), facecolor=_LANE)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", weight="bold", color=_INK)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=_QUIET)
        axes.grid(axis="x", color="white")
        if np.any(stem):
            _draw_waveform(axes, stem, sample_rate, color=color, linewidth=0)
        else:
            axes.text(0.5, 0.5, "silent", transform=axes.transAxes, ha="center", va="center", color=_QUIET)
    panels[-1].xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 2, 3, 6, 10]))
    panels[-1].xaxis.set_major_formatter(FuncFormatter(_minutes))
    _save(figure, path)


def stem_colors(names: Iterable[str]) -> list[str]:
    """Return a colour for each stem, such as `"#d1495b"`: the usual stems have their own."""
    rest = iter(_COLORS.values())
    used = [_COLORS.get(name) for name in names]
    free = [color for color in rest if color not in used] or list(_COLORS.values())
    return [color or free[place % len(free)] for place, color in enumerate(used)]


def _minutes(seconds: float, _place: int | None = None) -> str:
    """Return a time as minutes and seconds, such as `"1:05"`, with what it has of fractions."""
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}:{'0' if rest < 10 else ''}{rest:g}"


def plot_sources(stems: Mapping[str, np.ndarray], sample_rate: int, path: str | Path, title: str = "") -> None:
    """Draw the waveform and the spectrogram of each stem side by side.

    Args:
        stems: dict from name to float array `[samples, channels]`.
        sample_rate: int, in hertz.
        path: path of the figure, as in `plot_losses`.
        title: str, text above the panels. Defaults to no title.

    Example:

    >>> audio, sample_rate = tfsep.audio.read("song.wav")
    >>> tfsep.plotting.plot_sources({"mixture": audio}, sample_rate, "song.png", title="song.wav")
    """
    figure = _figure(12.0, 1.9 * len(stems))
    figure.suptitle(title, parse_math=False)
    for row, (name, stem) in enumerate(stems.items()):
        axes = figure.add_subplot(len(stems), 2, 2 * row + 1, ylabel=name)
        _draw_waveform(axes, stem, sample_rate)
        axes = figure.add_subplot(len(stems), 2, 2 * row + 2, ylabel="kHz")
        _draw_spectrogram(axes, stem, sample_rate)
    _save(figure, path)


def plot_spectrograms(
    estimates: Mapping[str, np.ndarray],
    sample_rate: int,
    path: str | Path,
    references: Mapping[str, np.ndarray],
) -> None:
    """Draw the log-spectrograms of each source and channel, reference and estimate side by side.

    Args:
        estimates: dict from source to float array `[samples, channels]`.
        sample_rate: int, in hertz.
        path: path of the figure, as in `plot_losses`.
        references: dict like `estimates` with the references of these sources.

    Example:

    >>> references = tfsep.datasets.embedded()[0].read_all(("vocals",), 0, 44100)
    >>> estimates = {"vocals": 0.5 * references["vocals"]}
    >>> tfsep.plotting.plot_spectrograms(estimates, 44100, "spectrograms.png", references)
    """
    panels = [(name, channel) for name, stem in estimates.items() for channel in range(stem.shape[1])]
    figure = _figure(12.0, 1.7 * len(panels))
    for row, (name, channel) in enumerate(panels):
        label = name if estimates[name].shape[1] == 1 else f"{name} {channel + 1}"
        for column, (title, stems) in enumerate((("reference", references), ("estimate", estimates))):
            place = 2 * row + column + 1
            axes = figure.add_subplot(len(panels), 2, place, title="" if row else title, ylabel="" if column else label)
            _draw_spectrogram(axes, stems[name][:, [channel]], sample_rate)
    _save(figure, path)


def _figure(width: float, height: float):
    # Figure instead of pyplot: no global state, no window system, safe in threads.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path: str | Path) -> None:
    suffix = Path(path).suffix
    if suffix[1:].lower() not in figure.canvas.get_supported_filetypes():
        raise ValueError(f"{path}: cannot draw {suffix or 'no suffix'!r}. Expected .png, .pdf or .svg.")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _draw_waveform(axes, stem: np.ndarray, sample_rate: int, columns: int = 2000, **style) -> None:
    """Draw the envelope: the smallest and the largest sample of each of at most `columns` spans."""
    mono = stem.mean(axis=1)
    edges = np.unique(np.linspace(0, len(mono), columns, endpoint=False).astype(int))
    low, high = np.minimum.reduceat(mono, edges), np.maximum.reduceat(mono, edges)
    axes.fill_between(edges / sample_rate, low, high, step="post", **style)


def _draw_spectrogram(axes, stem: np.ndarray, sample_rate: int) -> None:
    extent = (0, len(stem) / sample_rate, 0, sample_rate / 2000)
    decibels = 10 * np.log10(power_spectrogram(stem, columns=1500) + 1e-12)
    axes.imshow(decibels, origin="lower", aspect="auto", extent=extent, vmin=-120, vmax=0)


def power_spectrogram(stem: np.ndarray, columns: int) -> np.ndarray:
    """Return the power of frames of 2048 samples, for a picture of about `columns` pixels.

    Args:
        stem: float array `[samples, channels]`, whose mean over channels is analysed. A stem shorter than a frame is
            padded with silence.
        columns: int, about the number of frames; long stems have more, so that no samples fall between frames.

    Returns:
        float array `[1025, frames]`.
    """
    from scipy.signal import spectrogram

    mono = np.pad(stem.mean(axis=1), (0, max(0, N_FFT - len(stem))))
    overlap = N_FFT - min(N_FFT, max(1, len(mono) // columns))
    return spectrogram(mono, nperseg=N_FFT, noverlap=overlap, window="hann", scaling="spectrum", detrend=False)[2]
