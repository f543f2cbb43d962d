"""A model with all that decides how songs are separated by it."""

from __future__ import annotations

import dataclasses
import functools
import numbers
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from tfsep import audio
from tfsep.audio.channels import mixed_down
from tfsep.audio.reading import MOST_CHANNELS, RATES
from tfsep.checks import check_integer, check_number
from tfsep.loading import cached_model, model_sources, takes_whole_songs
from tfsep.portable.bag import Bag
from tfsep.presets import DEFAULT as DEFAULT_MODEL
from tfsep.separation.existing_stems import are_done
from tfsep.separation.file_options import FileOptions
from tfsep.separation.marks import facts
from tfsep.separation.outputs import Outputs
from tfsep.separation.song import Delay, Quality, separate_stream, stream_latency
from tfsep.separation.song_files import check_file, write_stems
from tfsep.separation.stream import Stream

Progress = Callable[[int, int | None, float | None], None]


class SeparationOptions(TypedDict, total=False):
    """Options of `Separation`, for functions that hand them on."""

    stems: Sequence[str] | None
    groups: Mapping[str, Sequence[str]] | None
    residual: str | None
    consistent: bool
    overlap: float | None
    batch_size: int | None
    shifts: int
    tta: bool
    wiener: int | None
    segment: float | None
    downmix: bool
    extend_band: bool


class Separation:
    """A model with options: which stems are made of its estimates, and how well.

    Nothing is loaded before the first song. One object serves any number of songs and threads.

    Args:
        model: a model, a path or a name; see `tfsep.load_model`. Defaults to the preset `crn-4stems`.
        stems: sequence of the stems to return, sources of the model or groups. Defaults to the sources that are in
            no group, and the groups. Of a `Bag`, only the models run that these need.
        groups: dict from the name of a stem to the sources that it is the sum of, such as
            `{"instrumental": ["drums", "bass", "other"]}`. Defaults to None.
        residual: str, name of one more stem: the mixture minus all other stems. Defaults to None.
        consistent: bool, add equal parts of the residual to the estimates, so that their sum is exactly the mixture;
            for models whose sources are the whole song. Defaults to False.
        overlap: float in [0, 1), fraction of each segment that overlaps the next. Defaults to the model's, usually
            0.25.
        batch_size: int, segments at a time. Defaults to the model's, usually 4.
        shifts: int, number of evenly spaced grids of segments whose estimates are averaged; the time is multiplied by
            it. Defaults to 1.
        tta: bool, average estimates of the song, the song with swapped channels and the song with inverted polarity
            (test-time augmentation); takes three times as long. Defaults to False.
        wiener: int, iterations of the multichannel Wiener filter on the estimates and what they leave of the mixture;
            see `tfsep.layers.wiener_filter`. Defaults to the model's `wiener_iterations`, usually 0, which also leaves
            audio of more than two channels as it is.
        segment: float, seconds of a segment, for models that allow other lengths: longer ones need more memory.
            Defaults to the model's.
        downmix: bool, mix surround sound to stereo before it is separated, by ITU-R BS.775: centre and surround
            channels at -3 dB, no LFE. Defaults to False.
        extend_band: bool, continue the estimates of a model below the song's rate above its band: by the mixture, times
            the mean of each estimate's mask in the octave below. Defaults to False.

    Attributes:
        names: tuple of str, the stems.

    Raises:
        ValueError: for an unknown model, stems that it does not have, or a value out of range.

    Example:

    >>> separation = tfsep.Separation("model.keras", stems=["vocals"], residual="accompaniment")
    >>> stems = separation.separate("song.wav")
    >>> list(stems)
    ['vocals', 'accompaniment']
    """

    def __init__(
        self,
        model=DEFAULT_MODEL,
        *,
        stems: Sequence[str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        residual: str | None = None,
        consistent: bool = False,
        overlap: float | None = None,
        batch_size: int | None = None,
        shifts: int = 1,
        tta: bool = False,
        wiener: int | None = None,
        segment: float | None = None,
        downmix: bool = False,
        extend_band: bool = False,
    ):
        self._model = model
        self._quality = Quality(overlap, batch_size, shifts, tta, wiener, segment, extend_band)
        self._downmix = downmix
        if takes_whole_songs(model):
            self._quality.check_whole_songs()
        sources = model_sources(model) or self.model.sources
        self._outputs = Outputs(sources, stems, groups, residual, consistent)
        # Of a batch no more than the speed depends on its size.
        defaults = {**dataclasses.asdict(Quality()), "batch_size": batch_size, "consistent": False, "downmix": False}
        changed = {**dataclasses.asdict(self._quality), "consistent": consistent, "downmix": downmix}
        self._settings = tuple(facts(changed, defaults))

    @functools.cached_property
    def model(self):
        """The loaded model."""
        return cached_model(self._model)

    @property
    def names(self) -> tuple[str, ...]:
        return self._outputs.names

    def __repr__(self) -> str:
        return f"Separation({self._model!r}) -> {', '.join(self.names)}"

    def separate(
        self,
        song: str | Path | np.ndarray,
        sample_rate: int | None = None,
        *,
        tolerant: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, np.ndarray]:
        """Separate a song; see `tfsep.separate`."""
        if isinstance(song, (str, os.PathLike)):
            if sample_rate is not None:
                raise ValueError("sample_rate is for arrays. A file has its own.")
            array, sample_rate = audio.read(song, tolerant=tolerant)
            one_dimensional = False
        else:
            array = _checked(song, sample_rate)
            one_dimensional = np.ndim(song) == 1
        blocks = list(self.blocks([array], len(array), array.shape[1], sample_rate, progress))
        return {
            name: np.concatenate([block[:, index, 0] if one_dimensional else block[:, index] for block in blocks])
            for index, name in enumerate(self.names)
        }

    def blocks(
        self,
        blocks: Iterable[np.ndarray],
        samples: int | None,
        channels: int,
        sample_rate: int,
        progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:
        """Separate a stream, in memory that does not grow with its length.

        Args:
            blocks: float32 arrays `[n, channels]` of any lengths, `samples` in all.
            samples: int, length of the audio; None if it is not known yet.
            channels: int, channels of the audio.
            sample_rate: int, in hertz.
            progress: function that is called with the samples done, those in all, both at the model's rate, and the
                seconds left, None at first. An exception that it raises ends the separation. Defaults to None.

        Yields:
            Float32 arrays `[n, stems, channels]`, `samples` in all, stems in the order of `names`; of stereo where
            surround sound is mixed down.
        """
        return self._separate(blocks, samples, channels, sample_rate, self._quality, progress and _timed(progress))

    def _separate(
        self, blocks, samples, channels, sample_rate, quality: Quality, progress=None
    ) -> Iterator[np.ndarray]:
        if self._mixes_down(channels):
            blocks, channels = mixed_down(blocks, channels), 2
        mixture = None
        if self._outputs.needs_mixture:
            blocks = mixture = Delay(blocks)
        model = self.model.only(self._outputs.needed) if isinstance(self.model, Bag) else self.model
        for estimates in separate_stream(blocks, samples, channels, sample_rate, model, quality, progress):
            yield self._outputs(estimates, mixture.take(len(estimates)) if mixture else None)

    def stream(self, sample_rate: int, channels: int) -> Stream:
        """Separate audio while it arrives, such as a recording.

        Args:
            sample_rate, channels: int, rate in hertz and channels of the audio.

        Returns:
            A `Stream`.

        Raises:
            ValueError: if the model needs the whole song, or does not support that many channels.
        """
        check_number("sample_rate", sample_rate, least=RATES[0], most=RATES[1])
        check_integer("channels", channels, most=MOST_CHANNELS)
        stem_channels = 2 if self._mixes_down(channels) else channels
        # Several segments at a time would be faster, but come later.
        quality = self._quality
        if quality.batch_size is None:
            at_a_time = stem_channels if getattr(self.model, "channels", 1) == 1 else 1
            quality = dataclasses.replace(quality, batch_size=at_a_time)
        latency = stream_latency(stem_channels, sample_rate, self.model, quality)

        def separate(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            return self._separate(blocks, None, channels, sample_rate, quality)

        return Stream(separate, self.names, channels, stem_channels, latency)

    def _mixes_down(self, channels: int) -> bool:
        return self._downmix and channels > 2

    def check_file(self, path: str | Path, folder: str | Path, **options) -> audio.AudioInfo:
        """Raise what `file` would raise, as far as it can be known without loading the model.

        Returns:
            The `AudioInfo` of the song.
        """
        return check_file(path, folder, self.names, self._file_options(options), self._downmix)

    def is_done(self, path: str | Path, folder: str | Path, **options) -> bool:
        """Whether all stems that `file` would write exist, made by the same model and options.

        Raises:
            FileExistsError: if one exists that something else made.
        """
        return are_done(path, folder, self.names, self._file_options(options))

    def file(
        self, path: str | Path, folder: str | Path, *, progress: Progress | None = None, **options
    ) -> dict[str, Path]:
        """Separate a file into files; see `tfsep.separate_file`, also for the options."""
        separate = functools.partial(self.blocks, progress=progress)
        return write_stems(path, folder, self.names, separate, self._file_options(options), self._downmix)

    def _file_options(self, options: dict) -> FileOptions:
        known = [field.name for field in dataclasses.fields(FileOptions)]
        known = [name for name in known if name not in ("settings", "formulas")]
        if unknown := [name for name in options if name not in known]:
            raise TypeError(f"Unknown option {unknown[0]!r}. Options of files: {', '.join(known)}.")
        if isinstance(self._model, (str, os.PathLike)):
            options = {"made_by": Path(self._model).name, **options}
        return FileOptions(**options, settings=self._settings, formulas=self._outputs.formulas)


def _timed(progress: Progress) -> Callable[[int, int | None], None]:
    """Return a function of samples done and in all that adds the seconds left."""
    started = time.monotonic()

    def tell(done: int, samples: int | None) -> None:
        known = done and samples is not None
        progress(done, samples, (time.monotonic() - started) * (samples - done) / done if known else None)

    return tell


def separate(
    song: str | Path | np.ndarray,
    model=DEFAULT_MODEL,
    sample_rate: int | None = None,
    *,
    tolerant: bool = False,
    progress: Progress | None = None,
    **options: Unpack[SeparationOptions],
) -> dict[str, np.ndarray]:
    """Separate a song into its sources.

    Args:
        song: path of an audio file, or float array `[samples, channels]` or `[samples]` in [-1, 1].
        model: a model, a path or a preset's name; see `tfsep.load_model`. The last three models given by path or name
            stay loaded until their files change. Defaults to the preset `crn-4stems`.
        sample_rate: int, rate of an array in hertz. Defaults to None, for a path.
        tolerant: bool, use the decodable part of a damaged file; see `tfsep.audio.read`. Defaults to False.
        progress: function that is called with the samples done, those in all and the seconds left; see
            `Separation.blocks`. Defaults to None.
        **options: which stems, and how well: `stems`, `groups`, `residual`, `consistent`, `overlap`, `batch_size`,
            `shifts`, `tta`, `wiener`, `segment`, `downmix`, `extend_band`; see `Separation`.

    Returns:
        dict from stem to float32 array of the song's own rate, length, channels and shape.

    Raises:
        ValueError: for audio of another layout, empty or not finite, a missing rate, or wrong options.
        FileNotFoundError, tfsep.audio.AudioError: if the file is missing or cannot be read.

    Example:

    >>> stems = tfsep.separate("song.wav", "model.keras", residual="rest")
    >>> {name: stem.shape for name, stem in stems.items()}
    {'vocals': (44100, 2), 'drums': (44100, 2), 'rest': (44100, 2)}
    """
    return Separation(model, **options).separate(song, sample_rate, tolerant=tolerant, progress=progress)


def separate_file(
    path: str | Path,
    folder: str | Path,
    model=DEFAULT_MODEL,
    *,
    suffix: str = ".wav",
    subtype: str | None = None,
    bitrate: int | None = None,
    clip: str = "rescale",
    start: float = 0,
    duration: float | None = None,
    name: str | None = None,
    tolerant: bool = False,
    plot: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Unpack[SeparationOptions],
) -> dict[str, Path]:
    """Separate a file into files, in memory that does not grow with its length.

    Args:
        path: path of the song.
        folder: path of the folder for the stems, `<folder>/<stem><suffix>`.
        model: see `separate`.
        suffix, subtype, bitrate: format of the stems, see `tfsep.audio.write`; tags and cover of the song go with them.
            `".stem.mp4"` and `".stem.m4a"` make one STEM file of the song and up to four stems. Defaults to float wav.
        clip: str, treatment of stems beyond [-1, 1] in integer formats: `"rescale"` scales all stems of the song by
            one gain, which is logged, so that they keep their balance; `"clamp"`; `"error"`. Defaults to `"rescale"`.
        start: float, beginning of the excerpt to separate, in seconds. Defaults to 0.
        duration: float, length of the excerpt in seconds. Defaults to None, the rest of the song.
        name: str, pattern of the files' paths in the folder, of `{stem}`, `{track}` (the song's name), `{suffix}`
            (of its file) and `{ext}` (of the stems).
            Defaults to `"{stem}"`, and for a STEM file to `"{track}"`.
        tolerant: bool, use the decodable part of a damaged file. Defaults to False.
        plot: bool, also draw `waveforms.png`, and for a STEM file `spectrograms.png`, the references of the first half
            minute beside the estimates. Defaults to False.
        overwrite: bool, replace existing stems, and remove those of other names or formats that an earlier run wrote
            into the folder. Files that tfsep did not write are kept. Defaults to False.
        progress: see `separate`.
        **options: see `Separation`.

    Returns:
        dict from stem to the path of its file.

    Raises:
        FileExistsError: if a stem exists, in any format, and `overwrite` is False.
        See also `separate`.

    Example:

    >>> tfsep.separate_file("song.wav", "stems", "model.keras")["vocals"].name
    'vocals.wav'
    """
    return Separation(model, **options).file(
        path,
        folder,
        progress=progress,
        suffix=suffix,
        subtype=subtype,
        bitrate=bitrate,
        clip=clip,
        start=start,
        duration=duration,
        name=name,
        tolerant=tolerant,
        plot=plot,
        overwrite=overwrite,
    )


def _checked(song: np.ndarray, sample_rate: int | None) -> np.ndarray:
    if isinstance(song, (bytes, bytearray, memoryview)) or hasattr(song, "read"):
        raise ValueError(
            f"A song is a path or an array. Received: {type(song).__name__}. Write it to a file, or decode it first."
        )
    array = np.asarray(song)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"Audio must be float in [-1, 1]. Received: dtype {array.dtype}. Divide by full scale.")
    if array.ndim not in (1, 2):
        raise ValueError(f"Audio must be [samples, channels] or [samples]. Received: shape {array.shape}.")
    if not isinstance(sample_rate, numbers.Real) or not RATES[0] <= sample_rate <= RATES[1]:
        raise ValueError(
            f"An array needs its sample_rate, from {RATES[0]} to {RATES[1]} Hz. Received: sample_rate={sample_rate!r}."
        )
    array = array.reshape(len(array), -1) if array.size else array
    if array.size == 0:
        raise ValueError(f"The audio is empty. Received: shape {array.shape}.")
    if array.shape[1] > MOST_CHANNELS:
        raise ValueError(
            f"Audio must be [samples, channels] with at most {MOST_CHANNELS} channels. Received: shape "
            f"{array.shape}. Transpose it if it is [channels, samples]."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("The audio contains NaN or infinite samples.")
    return array
