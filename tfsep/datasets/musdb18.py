"""MUSDB18 and MUSDB18-HQ: 100 training and 50 test songs of four stereo stems."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import MIXTURES, SPLITS, visible
from tfsep.datasets.stems import FileStem
from tfsep.datasets.track import Corpus, Track

_log = logging.getLogger("tfsep")

SOURCES = ("vocals", "drums", "bass", "other")

PRECISIONS = ("int16", "float32")

# Native Instruments' STEMS layout as MUSDB18 uses it.
STREAMS = {"mixture": 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4}

# The official validation songs: `validation_tracks` in the configuration of the musdb package.
VALIDATION = (
    "ANiMAL - Rockshow",
    "Actions - One Minute Smile",
    "Alexander Ross - Goodbye Bolero",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Fergessen - Nos Palpitants",
    "James May - On The Line",
    "Johnny Lokke - Promises & Lies",
    "Leaf - Summerghost",
    "Meaxic - Take A Step",
    "Patrick Talbot - A Reason To Leave",
    "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens",
    "Triviul - Angelsaint",
    "Young Griffo - Pennies",
)


class MUSDB18(Corpus):
    """Open MUSDB18 as STEM files or MUSDB18-HQ as wav folders, full songs or the 7-second preview.

    The files are `root/train/*.stem.mp4` or `root/train/<song>/vocals.wav`, and alike in `root/test`.

    Args:
        root: path of the folder that contains `train` and `test`.
        split: str, `"train"` (the training songs without the 14 official validation songs), `"valid"` (those 14) or
            `"test"`. Defaults to `"train"`.
        mixture: str, `"file"` for the mixtures of the corpus, `"sum"` for the sums of the stems. In STEM files the two
            differ by the coding error of AAC. Defaults to `"file"`.
        download: bool, download the 7-second preview into `root` if it contains no MUSDB18. This uses the musdb
            package, which needs the programs ffmpeg and ffprobe. Defaults to False.
        precision: str, `"int16"` rounds STEM files to 16 bits as musdb does, which BSS Eval depends on (see
            `tfsep.evaluation.bss_eval`); `"float32"` keeps the samples as decoded. Wav folders are not rounded.
            Defaults to `"int16"`.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if the split contains no track, or for an unknown argument.

    Example:

    >>> tfsep.datasets.MUSDB18("musdb18", split="valid")[0]
    Track('Leaf - Summerghost', sources=('vocals', 'drums', 'bass', 'other'))

    Reference:

    - [Rafii et al., 2017, The MUSDB18 corpus for music separation](https://doi.org/10.5281/zenodo.1117372)
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        mixture: str = "file",
        download: bool = False,
        precision: Literal["int16", "float32"] = "int16",
    ):
        check_choice("split", split, SPLITS)
        check_choice("mixture", mixture, MIXTURES)
        check_choice("precision", precision, PRECISIONS)
        root = Path(root).expanduser()
        folder = root / ("test" if split == "test" else "train")
        if download and not folder.is_dir():
            _download_preview(root)
        existing_folder(root, "the folder that contains train/ and test/")
        tracks = sorted(_tracks(folder, mixture, precision), key=lambda track: track.name)
        if split != "test":
            tracks = [track for track in tracks if (track.name in VALIDATION) == (split == "valid")]
        if not tracks:
            raise ValueError(
                f"No MUSDB18 track of split {split!r} in {folder}. Expected *.stem.mp4 files, or one folder a "
                "song with mixture.wav, vocals.wav, drums.wav, bass.wav and other.wav."
            )
        super().__init__(f"MUSDB18 {split}", tracks, root=str(root), split=split)


def embedded() -> Corpus:
    """Open the song of the package stempeg: 6 seconds of a MUSDB18 test song with its four stems.

    Returns:
        A `Corpus` of one `Track`.

    Raises:
        FileNotFoundError: if stempeg is not installed.

    Example:

    >>> tfsep.datasets.embedded()[0]
    Track('The Easton Ellises - Falcon 69', sources=('vocals', 'drums', 'bass', 'other'))
    """
    # Found without importing stempeg, whose import fails if the program ffmpeg is missing.
    spec = find_spec("stempeg")
    folders = spec.submodule_search_locations if spec else []
    paths = [path for folder in folders for path in Path(folder, "data").glob("*.stem.mp4")]
    if not paths:
        raise FileNotFoundError("The embedded song is missing. Install it with: pip install stempeg")
    return Corpus("embedded song", [_stem_track(path, "file", "int16") for path in paths])


def _tracks(folder: Path, mixture: str, precision: str) -> Iterator[Track]:
    for path in visible(folder):
        if path.name.endswith(".stem.mp4"):
            yield _stem_track(path, mixture, precision)
        elif path.is_dir():
            stems = {source: FileStem(path / f"{source}.wav") for source in SOURCES}
            # A song that lacks only some of its files is damaged: reading it names the first missing file.
            if not any(stem.path.is_file() for stem in stems.values()):
                _log.warning("%s contains no stems and is skipped.", path)
                continue
            yield Track(path.name, stems, FileStem(path / "mixture.wav") if mixture == "file" else None)


def _stem_track(path: Path, mixture: str, precision: str) -> Track:
    streams = {name: FileStem(path, stream, precision=precision) for name, stream in STREAMS.items()}
    stems = {source: streams[source] for source in SOURCES}
    return Track(path.name.removesuffix(".stem.mp4"), stems, streams["mixture"] if mixture == "file" else None)


def _download_preview(root: Path) -> None:
    try:
        import musdb
    except RuntimeError as error:
        raise RuntimeError(
            f"The musdb package, which downloads the preview, could not be imported: {error} Install the "
            "programs ffmpeg and ffprobe, or unpack MUSDB18-7-STEMS.zip yourself."
        ) from error
    try:
        musdb.DB(root=str(root), download=True)
    except OSError as error:
        raise OSError(
            f"The preview of MUSDB18 could not be downloaded to {root}: {error}. Check the network and the "
            "folder, or unpack MUSDB18-7-STEMS.zip there yourself."
        ) from error
