"""Clips with the accompaniment in the left and the voice in the right channel: MIR-1K and iKala."""

from __future__ import annotations

from pathlib import Path

from tfsep.checks import check_number, existing_folder
from tfsep.datasets.stems import FileStem
from tfsep.datasets.track import Track

# Root mean square of the accompaniment if voice and accompaniment are mixed at a given ratio.
_LEVEL = 0.1


def karaoke_files(root: str | Path) -> list[Path]:
    """Return the clips of `root/Wavfile`, or of `root` itself, as wav or as flac.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if it contains no clips.
    """
    root = existing_folder(root, "the folder that contains Wavfile/")
    folder = root / "Wavfile" if (root / "Wavfile").is_dir() else root
    # Names that begin with a dot belong to the operating system.
    clips = {path.stem: path for suffix in ("flac", "wav") for path in folder.glob(f"[!.]*.{suffix}")}
    if not clips:
        raise ValueError(f"No clips in {folder}. Expected Wavfile/*.wav (or .flac) with two channels each.")
    return [clips[name] for name in sorted(clips)]


def karaoke_track(path: Path, snr: float | None) -> Track:
    """Return a clip as a track of mono `vocals` and `accompaniment`.

    Args:
        path: path of the file.
        snr: float, level of the whole voice over that of the whole accompaniment in dB; None keeps the recorded
            levels.

    Raises:
        ValueError: if `snr` is no finite number.
    """
    check_number("snr", snr, optional=True)
    levels = (None, None) if snr is None else (_LEVEL * 10 ** (snr / 20), _LEVEL)
    return Track(
        path.stem,
        {
            "vocals": FileStem(path, channel=1, level=levels[0]),
            "accompaniment": FileStem(path, channel=0, level=levels[1]),
        },
    )
