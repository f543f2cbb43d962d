"""The command line: each verb parses, calls the function below it and prints."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Music source separation with TensorFlow and Keras.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ModelArgument = Annotated[str, typer.Option("--model", "-m", help="Preset, preset folder, .keras or SavedModel.")]
Overlap = Annotated[float, typer.Option(help="Share of a segment that overlaps the next.")]
BatchSize = Annotated[int, typer.Option(help="Segments at a time.")]


def main() -> None:
    """Runs the command line; a failure is one line on stderr, with the traceback only under `--debug`."""
    debug = "--debug" in sys.argv
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        # Typer's own errors of usage are of click or of its copy of click, by its version.
        if hasattr(error, "format_message"):
            _fail(error.format_message(), 2)
        if debug:
            raise
        _fail(_one_line(error), 2 if isinstance(error, _WRONG_USE) else 1)
    if code == _INTERRUPTED:
        _fail("Interrupted. Nothing half-written was left behind.", 1)
    sys.exit(code)


# What typer makes of Ctrl-C, in its newer versions.
_INTERRUPTED = 130

# What the caller can put right by calling otherwise; everything else is a failure.
_WRONG_USE = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'output'}: {error.strerror}."
    return " ".join(str(error).split()) or f"{type(error).__name__} (see --debug)"


def _fail(message: str, code: int) -> None:
    print(f"tfsep: {message}", file=sys.stderr)
    sys.exit(code)


def _load_tensorflow() -> None:
    """Imports TensorFlow without the notes that it writes before its log level is set; --debug shows them."""
    if "--debug" in sys.argv:
        import tensorflow

        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks and TensorFlow's log.")] = False,
) -> None:
    pass


@app.command()
def separate(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; stems go to OUTPUT/<song>/.")],
    model: ModelArgument = "unet-vocals-drums",
    residual: Annotated[str | None, typer.Option(help="Name for the rest of the mixture as one more stem.")] = None,
    format: Annotated[str, typer.Option(help="wav, flac, ogg or mp3.")] = "wav",
    subtype: Annotated[str | None, typer.Option(help="PCM_16, PCM_24 or FLOAT. Default: FLOAT wav.")] = None,
    overlap: Overlap = 0.25,
    batch_size: BatchSize = 4,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the stems' waveforms.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace stems that exist.")] = False,
) -> None:
    """Separate audio files into stems."""
    songs = {path: output / _song_name(path) for path in files}
    if len(set(songs.values())) < len(songs):
        raise ValueError("Two files have the same name and would write to one folder. Separate them apart.")
    started = time.perf_counter()
    _load_tensorflow()
    from tfsep import audio, load_model, separate_file

    loaded = load_model(model)
    failures, wrong, seconds = 0, False, 0.0
    for path, folder in songs.items():
        try:
            info = audio.info(path)
            with _bar(path.name) as progress:
                paths = separate_file(
                    path,
                    folder,
                    loaded,
                    suffix=f".{format}",
                    subtype=subtype,
                    residual=residual,
                    overlap=overlap,
                    batch_size=batch_size,
                    plot=plot,
                    overwrite=overwrite,
                    progress=progress,
                )
        except (OSError, ValueError, RuntimeError) as error:
            failures, wrong = failures + 1, isinstance(error, _WRONG_USE)
            print(f"tfsep: {_one_line(error)}", file=sys.stderr)
            continue
        seconds += info.samples / info.sample_rate
        print(f"{path.name}: {', '.join(paths)} -> {folder}")
    elapsed = time.perf_counter() - started
    print(f"{seconds:.1f} s of audio in {elapsed:.1f} s: {seconds / elapsed:.1f} times real time.")
    if failures:
        raise typer.Exit(2 if wrong and len(songs) == 1 else 1)


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="unet")] = "unet",
    data: Annotated[list[str] | None, typer.Option(help="musdb18:PATH, stems:PATH or embedded; repeatable.")] = None,
    valid: Annotated[list[str] | None, typer.Option(help="Validation data, if not that of --data.")] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Folder of the run.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; options override it.")] = None,
    sources: Annotated[str | None, typer.Option(help="Names with commas, such as vocals,drums.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Rate of the model.")] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of the model.")] = None,
    segment: Annotated[int | None, typer.Option(help="Samples of a training window.")] = None,
    epochs: Annotated[int | None, typer.Option()] = None,
    batch_size: Annotated[int | None, typer.Option()] = None,
    steps_per_epoch: Annotated[int | None, typer.Option()] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    schedule: Annotated[str | None, typer.Option(help="constant or cosine.")] = None,
    clipnorm: Annotated[float | None, typer.Option(help="Largest norm of each gradient.")] = None,
    augment: Annotated[str | None, typer.Option(help="Names with commas (remix,gain), or none.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without gain before stopping.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    mixed_precision: Annotated[str | None, typer.Option(help="float32, mixed_bfloat16, mixed_float16.")] = None,
    jit_compile: Annotated[bool | None, typer.Option(help="Compile with XLA. Default: Keras decides.")] = None,
    start_from: Annotated[str | None, typer.Option("--from", help="Preset or checkpoint to fine-tune.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUTPUT.")] = False,
) -> None:
    """Train a model; the run is kept in a folder and can be resumed."""
    _load_tensorflow()
    from tfsep.training import TrainConfig, read_config
    from tfsep.training import train as run

    settings = read_config(config) if config else {}
    names = None if augment is None else [] if augment == "none" else augment.split(",")
    given = {
        "model": model,
        "data": data,
        "valid": valid,
        "output": output,
        "epochs": epochs,
        "batch_size": batch_size,
        "steps_per_epoch": steps_per_epoch,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "clipnorm": clipnorm,
        "augment": None if names is None else {name: {} for name in names},
        "patience": patience,
        "seed": seed,
        "mixed_precision": mixed_precision,
        "jit_compile": jit_compile,
        "start_from": start_from,
    }
    options = {
        "sources": sources.split(",") if sources else None,
        "sample_rate": sample_rate,
        "channels": channels,
        "segment": segment,
    }
    settings |= {name: value for name, value in given.items() if value is not None}
    settings["options"] = settings.get("options", {}) | {
        name: value for name, value in options.items() if value is not None
    }
    try:
        run(TrainConfig(**settings), resume=resume)
    except KeyboardInterrupt:
        _fail(f"Interrupted. Go on from the last whole epoch with --resume --output {settings['output']}.", 1)
    print(f"The best model is in {Path(settings['output'], 'best')}.")


@app.command()
def evaluate(
    model: ModelArgument = "unet-vocals-drums",
    data: Annotated[str, typer.Option(help="musdb18:PATH, stems:PATH or embedded.")] = "embedded",
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for museval JSON.")] = None,
    sdr_only: Annotated[bool, typer.Option("--sdr-only", help="Leave out ISR, SIR and SAR, which are slow.")] = False,
    overlap: Overlap = 0.25,
) -> None:
    """Score a model by museval's protocol, beside the mixture and the ideal ratio mask."""
    _load_tensorflow()
    from tfsep import datasets
    from tfsep import evaluate as score

    tracks = datasets.from_spec(data, split)
    scores = score(model, tracks, output=output, sdr_only=sdr_only, overlap=overlap, progress=True)
    print(scores)
    if scores.failures:
        raise typer.Exit(1)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Preset, preset folder or .keras file.")],
    output: Annotated[Path, typer.Argument(help="Folder of the SavedModel, which must not exist.")],
) -> None:
    """Write a model as a SavedModel: waveform in, a waveform for each source out."""
    _load_tensorflow()
    from tfsep import load_model

    loaded = load_model(model)
    if not hasattr(loaded, "export"):
        raise ValueError(f"{model} is a SavedModel already.")
    loaded.export(output)
    print(f"{output}: [batch, samples, {loaded.channels}] at {loaded.sample_rate} Hz -> {', '.join(loaded.sources)}")


@app.command()
def presets() -> None:
    """List the models that come with the package, with their scores."""
    from tfsep import presets as shelf

    for name in shelf.names():
        print("\n    ".join([name, *shelf.summary(name)]))


@app.command()
def inspect(
    path: Annotated[str | None, typer.Argument(help="Audio file, or data such as musdb18:PATH.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Figure of the sources.")] = Path("inspect.png"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="Print this model's layers instead.")] = None,
    track: Annotated[int, typer.Option(help="Which song of a dataset is drawn.")] = 0,
) -> None:
    """Draw the sources of a file or dataset with counts and durations, or print a model's layers."""
    from tfsep import inspection

    if model is not None:
        _load_tensorflow()
        from tfsep import load_model

        inspection.print_layers(load_model(model))
    elif path is not None:
        for line in inspection.inspect_audio(path, output, track):
            print(line)
    else:
        raise ValueError("Nothing to inspect. Give a file, data such as musdb18:PATH, or --model NAME.")


@app.command()
def doctor() -> None:
    """Print versions, devices, codecs and one timed multiplication for each device."""
    _load_tensorflow()
    from tfsep.doctor import report

    for subject, finding in report():
        print(f"{subject:20} {finding}")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for stems and figure.")] = Path("demo"),
    model: ModelArgument = "unet-vocals-drums",
) -> None:
    """Separate and score the real song that comes with the installation."""
    _load_tensorflow()
    from tfsep import datasets, load_model, separate_file
    from tfsep import evaluate as score

    song = datasets.embedded()
    loaded = load_model(model)
    with _bar(song[0].name) as progress:
        paths = separate_file(
            song[0].mixture.path,
            output,
            loaded,
            residual="rest",
            plot=True,
            overwrite=True,
            progress=progress,
        )
    print(f"{song[0].name}: {', '.join(paths)}, waveforms.png -> {output}\n")
    print(score(loaded, song, sdr_only=True))


def _song_name(path: Path) -> str:
    name = path.name.removesuffix(".stem.mp4")
    return name if name != path.name else path.stem


@contextmanager
def _bar(title: str):
    """A progress bar as the callback that separation takes."""
    from tqdm import tqdm

    with tqdm(desc=title, unit="", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}", leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
