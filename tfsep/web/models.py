"""The models to choose from, with what a user decides by."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

from tfsep import presets
from tfsep.web.downloads import is_here

# Multiples of real time on two idle cores, the best of three runs over a minute, for models that have not separated on
# this machine yet.
_SPEEDS = {
    "convsep-4stems": 51,
    "convsep-4stems-free": 42,
    "convsep-4stems-plus": 41,
    "crn-4stems": 44,
    "cyclegan-vocals": 22,
    "drnn-mir1k": 89,
    "drnn-mir1k-plus": 38,
    "unet-vocals-drums": 50,
    "waveunet-4stems": 21,
}
_PROTOCOLS = {"bsseval_v3": "BSS Eval v3", "bsseval_v4": "BSS Eval v4"}


def names() -> list[str]:
    """Return the names that the page may ask for.

    Methods without training are not among them: they take a song as a whole, in memory that grows with its length, and
    can neither tell their progress nor be cancelled.
    """
    return [row["name"] for row in presets.table()]


def rows(measured: Mapping[str, float]) -> list[dict]:
    """Return the facts of all models, those first that need no download.

    Args:
        measured: dict from model to the multiple of real time at which it has separated here.
    """
    found = [_row(facts) for facts in presets.table()]
    speeds = _SPEEDS | dict(measured)
    for row in found:
        row |= {"speed": speeds.get(row["name"]), "default": row["name"] == presets.DEFAULT}
    return sorted(found, key=lambda row: (not row["default"], not row["here"]))


def _row(facts: dict) -> dict:
    return {
        "name": facts["name"],
        "stems": facts["sources"],
        "score": _score(facts["scores"]),
        "licence": facts["licence"],
        "commercialUse": facts["commercial_use"],
        "sampleRate": facts["sample_rate"],
        "bytes": facts["bytes"],
        "here": is_here(facts["name"]),
    }


def _score(scores: dict | None) -> dict | None:
    if not scores or "values" not in scores:
        return None
    protocol = _PROTOCOLS.get(scores.get("protocol"))
    measure = f"{scores['measure']} ({protocol})" if protocol else scores["measure"]
    return {"value": mean(scores["values"].values()), "measure": measure, "data": scores["data"]}
