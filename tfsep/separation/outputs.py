"""The stems that are made of a model's estimates: chosen, grouped, completed to the mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfsep.files import is_file_name

# Stems of MUSDB18 that are not the whole song without the fourth, `other`.
_PARTS = {"vocals", "drums", "bass"}


class Outputs:
    """Stems as sums of a model's estimates and the mixture.

    Every choice is linear, so that together they are one matrix: a row for each stem, a column for each source and one
    for the mixture.

    Args:
        sources: names of the model's estimates.
        stems: names of the stems, sources or groups. Defaults to the sources that are in no group, then the groups.
        groups: dict from the name of a further stem to the sources that it is the sum of. Defaults to none.
        residual: str, name of one more stem, the mixture minus the others. Defaults to None.
        consistent: bool, add equal parts of the residual to the estimates, so that their sum is the mixture. Defaults
            to False.

    Attributes:
        names: tuple of str, the stems.
        needed: tuple of str, the sources that they are made of.
        matrix: float32 array `[stems, sources + 1]`.
        formulas: dict from each stem that is a sum to its terms, such as `"drums+bass"` or `"mixture-vocals"`.

    Raises:
        ValueError: for names that no file can have, that are unknown, or that are given twice; for consistent stems
            of sources that are some of vocals, drums and bass alone.

    Example:

    >>> sources = ("vocals", "drums", "bass", "other")
    >>> outputs = tfsep.separation.Outputs(sources, groups={"instrumental": ["drums", "bass", "other"]})
    >>> outputs.names
    ('vocals', 'instrumental')
    >>> tfsep.separation.Outputs(sources, ["vocals"], residual="accompaniment").matrix[1]
    array([-1.,  0.,  0.,  0.,  1.], dtype=float32)
    """

    def __init__(
        self,
        sources: Sequence[str],
        stems: Sequence[str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        residual: str | None = None,
        consistent: bool = False,
    ):
        sources, groups = tuple(sources), dict(groups or {})
        if not all(map(is_file_name, sources)):  # possible in a SavedModel of another program
            raise ValueError(f"The model's sources need names that files can have. Received: {list(sources)}.")
        estimates = np.eye(len(sources), len(sources) + 1)
        if consistent:
            if set(sources) <= _PARTS:
                raise ValueError(
                    f"The model estimates {', '.join(sources)} alone; consistent would share all else among them. "
                    "A residual gives it a stem of its own."
                )
            estimates[:, :-1] -= 1 / len(sources)
            estimates[:, -1] = 1 / len(sources)
        rows = dict(zip(sources, estimates, strict=True))
        self.formulas: dict[str, str] = {}
        for name, members in groups.items():
            _check_name("A group", name, sources)
            if isinstance(members, str) or not members or len(set(members)) < len(members):
                raise ValueError(f"Group {name!r} must list different sources. Received: {members!r}.")
            _check_known(members, sources)
            rows[name] = sum(rows[member] for member in members)
            self.formulas[name] = "+".join(members)
        if stems is None:
            grouped = {member for members in groups.values() for member in members}
            stems = [name for name in rows if name not in grouped]
        if isinstance(stems, str) or not stems or len(set(stems)) < len(stems):
            raise ValueError(f"stems must be a list of different names. Received: stems={stems!r}.")
        _check_known(stems, rows)
        rows = {name: rows[name] for name in stems}
        if residual is not None:
            _check_name("The residual", residual, rows)
            mixture = np.zeros(len(sources) + 1)
            mixture[-1] = 1
            self.formulas[residual] = "-".join(["mixture", *rows])
            rows[residual] = mixture - sum(rows.values())
            if not np.abs(rows[residual]).max() > 1e-6:
                raise ValueError(f"Consistent stems leave no residual {residual!r}. Choose some of them, or drop one.")
        self.names = tuple(rows)
        self.matrix = np.stack(list(rows.values())).astype(np.float32)
        self.needed = tuple(np.array(sources)[self.matrix[:, :-1].any(axis=0)].tolist())

    @property
    def needs_mixture(self) -> bool:
        """Whether any stem is made of the mixture."""
        return bool(self.matrix[:, -1].any())

    def __call__(self, estimates: np.ndarray, mixture: np.ndarray | None = None) -> np.ndarray:
        """Return the stems `[n, stems, channels]` of estimates `[n, sources, channels]` and the mixture.

        Args:
            estimates: float32 array `[n, sources, channels]`.
            mixture: float32 array `[n, channels]`. May be None unless `needs_mixture`.
        """
        if np.array_equal(self.matrix, np.eye(*self.matrix.shape)):
            return estimates[:, : len(self.names)]
        # Source by source, since most of the factors are zeros.
        stems = np.zeros((len(estimates), len(self.names), estimates.shape[2]), np.float32)
        parts = [*np.moveaxis(estimates, 1, 0), mixture]
        for stem, source in np.argwhere(self.matrix):
            stems[:, stem] += self.matrix[stem, source] * parts[source]
        return stems


def _check_name(kind: str, name: str, taken) -> None:
    if not is_file_name(name):
        raise ValueError(f"{kind} needs a name that a file can have. Received: {name!r}.")
    if name in taken:
        raise ValueError(f"There is a stem {name!r} already. Choose another name for it.")


def _check_known(names: Sequence[str], known) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"No stem {', '.join(map(repr, unknown))}. Choose of {', '.join(known)}.")
