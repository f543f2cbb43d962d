"""Figures of a page: box plots as SVG in the page's colours, spectrograms as JPEG."""

from __future__ import annotations

import contextlib
import io
import math
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfsep.plotting import N_FFT, power_spectrogram

# Colours that matplotlib writes, replaced by those of the style sheet, which differ between light and dark mode.
_INK, _FAINT, _BOUND = "#010203", "#010204", "#010205"
_SERIES = tuple(f"#0102{number:02x}" for number in range(0x10, 0x16))
_STYLED = {_INK: "currentColor", _FAINT: "var(--rule)", _BOUND: "var(--bound)"} | {
    color: f"var(--series-{number})" for number, color in enumerate(_SERIES)
}
_LINE = 64  # letters of a label in a line

_ROWS = 128  # of a spectrogram
_LOWEST, _HIGHEST = 40.0, 16000.0  # Hz
_RANGE = 80.0  # dB


@dataclass(frozen=True)
class Box:
    """One line of a box plot.

    Args:
        label: str, name of the model or bound.
        values: one score for each track; NaN is skipped.
        series: int, number of the page's colour. Defaults to None, that of a bound.
    """

    label: str
    values: Sequence[float]
    series: int | None = None


def box_plot(
    boxes: Sequence[Box], title: str, unit: str, limits: tuple[float, float], bounds: Sequence[tuple[str, float]] = ()
) -> str:
    """Draw scores over tracks: quartiles, whiskers of 1.5 times their distance, a dot for each track.

    Args:
        boxes: the models, from the top.
        title: str, name of the source.
        unit: str, written below the axis.
        limits: ends of the axis.
        bounds: names and scores of the mixture and of oracles, drawn as thin lines. Defaults to none.

    Returns:
        An `<svg>` element.
    """
    with _styled(title + unit):
        axes = _axes(len(boxes), title, unit, limits, 0.9 + 0.22 * len(bounds))
        for row, (label, value) in enumerate(bounds):
            axes.axvline(value, color=_BOUND, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            right = value > (limits[0] + limits[1]) / 2
            text = f"{label} " if right else f" {label}"
            place = -0.85 - 0.36 * (len(bounds) - 1 - row)
            axes.text(value, place, text, color=_BOUND, fontsize=9, ha="right" if right else "left", va="center")
        for place, box in enumerate(boxes):
            _name(axes, place, box.label)
            _draw_box(axes, place, box)
        axes.set_ylim(len(boxes) - 0.5, -0.7 - 0.36 * len(bounds))
        return _svg(axes.figure)


def difference_plot(rows: Sequence[tuple[str, Sequence[float], float, float, float]], title: str, unit: str) -> str:
    """Draw differences between two models: a dot for each track, the whole with its interval, and a line at zero.

    Args:
        rows: for each target its name, the differences of the tracks, that of all, and the ends of its interval.
        title: str.
        unit: str, written below the axis.

    Returns:
        An `<svg>` element.
    """
    known = [value for _, values, *_ in rows for value in values if not math.isnan(value)]
    reach = 1.1 * max(0.1, *map(abs, known)) if known else 1.0
    with _styled(title + unit):
        axes = _axes(len(rows), title, unit, (-reach, reach), 0.9)
        axes.axvline(0, color=_INK, linewidth=1)
        for place, (label, values, value, low, high) in enumerate(rows):
            _name(axes, place, label)
            dots = np.array([value for value in values if not math.isnan(value)])
            colors = [_SERIES[int(value > 0)] for value in dots]
            axes.scatter(dots, _spread(place, len(dots)), c=colors, s=12, alpha=0.75, linewidths=0)
            axes.hlines(place, low, high, color=_INK, linewidth=2.4)
            axes.plot([value], [place], "D", color=_INK, markersize=6)
        axes.set_ylim(len(rows) - 0.5, -0.7)
        return _svg(axes.figure)


@contextlib.contextmanager
def _styled(salt: str):
    import matplotlib

    # Keep text as text, in the page's font; a name with $ is not a formula.
    style = {"svg.fonttype": "none", "svg.hashsalt": salt, "text.parse_math": False, "font.size": 10}
    style |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def _axes(rows: int, title: str, unit: str, limits: tuple[float, float], margin: float):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, margin + 0.62 * rows), layout="constrained")
    axes = figure.add_subplot(xlim=limits, yticks=[])
    axes.set_title(textwrap.fill(title, 48), loc="left", weight="bold", fontsize=12)
    axes.set_xlabel(unit)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return axes


def _name(axes, place: int, label: str) -> None:
    """Write a label above its row, where it has the whole width."""
    lines = textwrap.fill(label, _LINE)
    axes.text(0, place - 0.4, lines, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=9.5)


def _draw_box(axes, place: int, box: Box) -> None:
    color = _BOUND if box.series is None else _SERIES[box.series % len(_SERIES)]
    values = np.array([value for value in box.values if not math.isnan(value)])
    _draw_quartiles(axes, place, values, color)
    axes.plot(values, _spread(place, len(values)), "o", color=color, markersize=3, alpha=0.75, markeredgewidth=0)


def _draw_quartiles(axes, place: int, values: np.ndarray, color: str) -> None:
    # Not matplotlib's boxplot: no option for horizontal boxes works in all versions without a warning.
    low, median, high = np.percentile(values, [25, 50, 75])
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    axes.hlines(place, inside.min(), low, color=color, linewidth=1.4)
    axes.hlines(place, high, inside.max(), color=color, linewidth=1.4)
    axes.barh(place, high - low, left=low, height=0.36, color=color, alpha=0.22)
    axes.vlines(median, place - 0.18, place + 0.18, color=color, linewidth=2.6)


def _spread(place: int, count: int) -> np.ndarray:
    """Return heights of dots around a line: multiples of the golden ratio, which are even and reproducible."""
    return place + 0.3 * (np.arange(count) * 0.618034 % 1 - 0.5)


def _svg(figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", svg)
    return re.sub("|".join(_STYLED), lambda match: _STYLED[match.group()], svg)


def spectrogram(audio: np.ndarray, sample_rate: int, columns: int) -> np.ndarray:
    """Return the power of audio in dB over time and logarithmic frequency, from 40 Hz to 16 kHz.

    Args:
        audio: float array `[samples, channels]`.
        sample_rate: int, in hertz.
        columns: int, maximum number of columns; each is the maximum over its frames.

    Returns:
        float array `[128, columns]`, the highest frequencies first.
    """
    power = power_spectrogram(audio, columns)
    power = np.maximum.reduceat(power, np.unique(np.arange(columns) * power.shape[1] // columns), axis=1)
    edges = np.geomspace(_LOWEST, min(_HIGHEST, sample_rate / 2), _ROWS + 1) * N_FFT / sample_rate
    edges = np.minimum(edges.round().astype(int), len(power) - 1)
    bands = np.maximum.reduceat(power[: edges[-1] + 1], edges[:-1])
    return 10 * np.log10(bands[::-1] + 1e-20)


def scale_words(sample_rate: int) -> str:
    """Describe the axes and colours of a spectrogram for readers of a page."""
    highest = min(_HIGHEST, sample_rate / 2) / 1000
    return f"Spectrograms: {_LOWEST:g} Hz to {highest:g} kHz, logarithmic; {_RANGE:g} dB down from the loudest point."


def picture(decibels: np.ndarray, loudest: float) -> bytes:
    """Encode a spectrogram as JPEG, black at 80 dB below `loudest`."""
    from matplotlib import colormaps, image

    scaled = np.clip((decibels - loudest) / _RANGE + 1, 0, 1)
    buffer = io.BytesIO()
    options = {"quality": 72, "optimize": True}
    image.imsave(buffer, colormaps["magma"](scaled)[..., :3], format="jpg", pil_kwargs=options)
    return buffer.getvalue()
