"""iKala: 252 clips of Chinese pop by professional singers, 30 seconds each, 44.1 kHz."""

from __future__ import annotations

from pathlib import Path

from tfsep.checks import check_choice
from tfsep.datasets.folders import SPLITS
from tfsep.datasets.karaoke import karaoke_files, karaoke_track
from tfsep.datasets.track import Corpus

SINGERS = "id_mapping.txt"


class IKala(Corpus):
    """Open iKala as it is distributed: `Wavfile/<song>_<verse or chorus>.wav`, with `id_mapping.txt` beside it.

    `id_mapping.txt` has a line with singer and song, separated by a tab, for each song. No singer is in two
    splits: of the singers in alphabetical order, the last third is `"test"`, the one before them `"valid"`, and the
    others are `"train"`.

    Args:
        root: path of the folder that contains `Wavfile` and `id_mapping.txt`.
        split: str, `"train"`, `"valid"`, `"test"`, or None for all clips, which needs no `id_mapping.txt`. Defaults
            to `"train"`.
        snr: float, level of the voice over the accompaniment in dB. Defaults to None, the recorded levels.

    Raises:
        FileNotFoundError: if `root` does not exist, or `id_mapping.txt` is missing for a split.
        ValueError: if it contains no clip of the split, or a clip whose singer is not known.

    Example:

    >>> tfsep.datasets.IKala("ikala", split="test")[0]
    Track('10161_chorus', sources=('vocals', 'accompaniment'))

    Reference:

    - [Chan et al., 2015, Vocal activity informed singing voice separation with the iKala
      dataset](https://doi.org/10.1109/ICASSP.2015.7178063)
    """

    def __init__(self, root: str | Path, split: str | None = "train", snr: float | None = None):
        check_choice("split", split, (*SPLITS, None))
        root = Path(root).expanduser()
        paths = karaoke_files(root)
        if split is not None:
            singers = _singers(root, paths)
            chosen = _divide(sorted(set(singers.values())))[split]
            paths = [path for path in paths if singers[path] in chosen]
        if not paths:
            raise ValueError(f"No iKala clip of split {split!r} in {root}. A division by singer needs three singers.")
        tracks = [karaoke_track(path, snr) for path in paths]
        super().__init__(f"iKala {split}" if split else "iKala", tracks, root=str(root), split=split)


def _singers(root: Path, paths: list[Path]) -> dict[Path, str]:
    mapping = root / SINGERS
    if not mapping.is_file():
        raise FileNotFoundError(
            f"{mapping} is missing: it names the singers, so that no singer is in two splits. Put it there, or use "
            "split=None."
        )
    # In any encoding, different singers stay different.
    rows = [line.split("\t") for line in mapping.read_text("utf-8-sig", "surrogateescape").splitlines()]
    singer_of = {row[1].strip(): row[0].strip() for row in rows if len(row) > 1}
    unknown = [path.name for path in paths if _song(path) not in singer_of]
    if unknown:
        raise ValueError(f"{mapping} has no singer for the song of {unknown[0]}. Expected a line: singer, tab, song.")
    return {path: singer_of[_song(path)] for path in paths}


def _song(path: Path) -> str:
    return path.stem.split("_")[0]


def _divide(singers: list[str]) -> dict[str, list[str]]:
    test = len(singers) - len(singers) // 3
    return {"train": singers[: test - 1], "valid": singers[test - 1 : test], "test": singers[test:]}
