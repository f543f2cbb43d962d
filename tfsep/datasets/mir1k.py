"""MIR-1K: 1000 clips of Chinese karaoke by amateurs, 4 to 13 seconds each, 16 kHz."""

from __future__ import annotations

from pathlib import Path

from tfsep.checks import check_choice
from tfsep.datasets.folders import SPLITS
from tfsep.datasets.karaoke import karaoke_files, karaoke_track
from tfsep.datasets.track import Corpus

# The published division of Huang et al.: two singers for training, all others for the test.
TRAINING_SINGERS = ("abjones", "amy")
VALIDATION = ("abjones_5_08", "abjones_5_09", "amy_9_08", "amy_9_09")


class MIR1K(Corpus):
    """Open MIR-1K as it is distributed (`Wavfile/*.wav`), or with flac instead of wav.

    The published division has 171 clips for training, 4 for development (`"valid"`) and 825 of 17 other singers
    for the test. Voice and accompaniment of each clip are scaled to the same level and added. The paper scales them to
    unit norm; here each has a root mean square of 0.1.

    Args:
        root: path of the folder that contains `Wavfile`, or of the folder of clips.
        split: str, `"train"`, `"valid"` or `"test"`. Defaults to `"train"`.
        snr: float, level of the voice over the accompaniment in dB; None keeps the recorded levels. Defaults to 0.0.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if it contains no clip of the split.

    Example:

    >>> tfsep.datasets.MIR1K("mir1k")
    MIR1K(root='mir1k', split='train'): 1 track

    Reference:

    - [Hsu and Jang, 2010, On the improvement of singing voice separation for monaural recordings using the MIR-1K
      dataset](https://doi.org/10.1109/TASL.2009.2026503)
    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf), the division into splits
    - [Huang et al., 2015, Joint optimization of masks and deep recurrent neural networks for monaural source
      separation](https://arxiv.org/abs/1502.04149)
    """

    def __init__(self, root: str | Path, split: str = "train", snr: float | None = 0.0):
        check_choice("split", split, SPLITS)
        paths = [path for path in karaoke_files(root) if _split(path.stem) == split]
        if not paths:
            raise ValueError(f"No MIR-1K clip of split {split!r} in {root}. Expected names such as abjones_1_01.wav.")
        tracks = [karaoke_track(path, snr) for path in paths]
        super().__init__(f"MIR-1K {split}", tracks, root=str(root), split=split)


def _split(name: str) -> str:
    if name.split("_")[0] not in TRAINING_SINGERS:
        return "test"
    return "valid" if name in VALIDATION else "train"
