"""DSD100: 50 training and 50 test songs of four stereo stems."""

from __future__ import annotations

import logging
from pathlib import Path

from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import MIXTURES, SPLITS, visible
from tfsep.datasets.musdb18 import SOURCES
from tfsep.datasets.splits import hold_out
from tfsep.datasets.stems import FileStem
from tfsep.datasets.track import Corpus, Track

_log = logging.getLogger("tfsep")


class DSD100(Corpus):
    """Open DSD100 as it is distributed: `Sources/{Dev,Test}/<song>/<source>.wav` and `Mixtures/.../mixture.wav`.

    The corpus has no validation songs, so every seventh song of `Dev` by name is `"valid"`.

    Args:
        root: path of the folder that contains `Mixtures` and `Sources`.
        split: str, `"train"`, `"valid"` or `"test"`. Defaults to `"train"`.
        mixture: str, `"file"` for the mixtures of the corpus, `"sum"` for the sums of the stems. Defaults to `"file"`.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if the split contains no track.

    Example:

    >>> tfsep.datasets.DSD100("dsd100", split="test")[0]
    Track('001 - Song', sources=('vocals', 'drums', 'bass', 'other'))

    Reference:

    - [Liutkus et al., 2017, The 2016 signal separation evaluation
      campaign](https://doi.org/10.1007/978-3-319-53547-0_31)
    """

    def __init__(self, root: str | Path, split: str = "train", mixture: str = "file"):
        check_choice("split", split, SPLITS)
        check_choice("mixture", mixture, MIXTURES)
        root = existing_folder(root, "the folder that contains Mixtures/ and Sources/")
        part = "Test" if split == "test" else "Dev"
        names = _songs(root / "Sources" / part)
        if split != "test":
            names = hold_out(names, split)
        if not names:
            raise ValueError(
                f"No DSD100 track of split {split!r} in {root}. Expected Sources/{part}/<song>/vocals.wav and the like."
            )
        tracks = [_track(root, part, name, mixture) for name in names]
        super().__init__(f"DSD100 {split}", tracks, root=str(root), split=split)


def _songs(folder: Path) -> list[str]:
    names = []
    for path in visible(folder, folders=True):
        # A song that lacks only some of its files is damaged: reading it names the first missing file.
        if any((path / f"{source}.wav").is_file() for source in SOURCES):
            names.append(path.name)
        else:
            _log.warning("%s contains no stems and is skipped.", path)
    return names


def _track(root: Path, part: str, name: str, mixture: str) -> Track:
    stems = {source: FileStem(root / "Sources" / part / name / f"{source}.wav") for source in SOURCES}
    return Track(name, stems, FileStem(root / "Mixtures" / part / name / "mixture.wav") if mixture == "file" else None)
