"""The command line: each verb parses, calls the function below it and prints."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tfsep import __version__, console
from tfsep.checks import check_choice, existing_folder
from tfsep.datasets import NOTATION
from tfsep.options import given, with_options
from tfsep.portable.separators import is_portable
from tfsep.presets import DEFAULT as DEFAULT_MODEL
from tfsep.startup import use_device
from tfsep.training.config import CONFIG, TrainConfig, read_config
from tfsep.training.recipe import fields

app = typer.Typer(
    help="Music source separation with TensorFlow and Keras.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

MODEL_HELP = (
    "Name (see `tfsep presets`), preset folder, .keras, .onnx or .tflite file, SavedModel, YAML of a bag, or "
    "hf://ORGANISATION/NAME."
)
ModelArgument = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP)]


def _import(names: list[str] | None) -> None:
    if names:
        from tfsep.user_modules import import_module

        for name in names:
            import_module(name)


# Import while the options are parsed, before anything is loaded.
Imports = Annotated[
    list[str] | None,
    typer.Option("--import", callback=_import, help="Module of your own, which defines the model's class; repeatable."),
]

Trust = Annotated[bool, typer.Option("--trust", help="Load a SavedModel that can read or write files.")]

Mapped = Annotated[
    str | None,
    typer.Option("--map", help="Names of sources in files, such as vocals=Voice,accompaniment=Instrumental."),
]

AsCsv = Annotated[bool, typer.Option("--csv", help="As CSV: one score of one window a line.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON: all scores of the corpus and of each track.")]

DEFAULT_SPLITS = ("train", "valid")
# Of the stems of a song, which `--report` expects.
_NAME = "{track}/{stem}{ext}"

Runner = Annotated[str | None, typer.Option(help="Share the work by Apache Beam's runner, such as DirectRunner.")]
RunnerOptions = Annotated[str, typer.Option(help="Further options of Beam, in one string.")]

Overlap = Annotated[
    float | None, typer.Option(help="Fraction of each segment that overlaps the next. Defaults to the model's.")
]
BatchSize = Annotated[int | None, typer.Option(help="Segments at a time. Defaults to the model's.")]


def main() -> None:
    """Run the command line."""
    console.run(app)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the notes of libraries.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def separate(
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Audio or video files, folders, patterns; or - for standard input.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the stems. Defaults to that of each song.")
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="Text file of further songs, one path a line, from its folder.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help=f"{MODEL_HELP} Several: their average. Defaults to {DEFAULT_MODEL}."),
    ] = None,
    stems: Annotated[
        list[str] | None, typer.Option(help="Stems to write, with commas; repeatable. Defaults to all.")
    ] = None,
    two_stems: Annotated[
        str | None, typer.Option(help="Write this stem, and everything else as accompaniment.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="One stem of several, such as instrumental=drums+bass+other; repeatable.")
    ] = None,
    residual: Annotated[str | None, typer.Option(help="Name of one more stem: the mixture minus the others.")] = None,
    consistent: Annotated[
        bool,
        typer.Option(
            "--consistent",
            help="Share the residual equally, so that stems add up to the song; for models of the whole song.",
        ),
    ] = False,
    shifts: Annotated[int, typer.Option(help="Number of shifted segment grids to average; multiplies the time.")] = 1,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over swapped channels and inverted polarity; takes 3 times as long.")
    ] = False,
    wiener: Annotated[
        int | None, typer.Option(help="Iterations of the multichannel Wiener filter. Defaults to the model's.")
    ] = None,
    overlap: Overlap = None,
    segment: Annotated[
        float | None,
        typer.Option(help="Seconds of a segment, where the model allows another. Defaults to the model's."),
    ] = None,
    batch_size: BatchSize = None,
    downmix: Annotated[
        bool, typer.Option("--downmix", help="Mix surround sound to stereo first, by ITU-R BS.775, without LFE.")
    ] = False,
    extend_band: Annotated[
        bool, typer.Option("--extend-band", help="Continue the stems above the band of a model below the song's rate.")
    ] = False,
    start: Annotated[float, typer.Option(help="Begin at this second of the song.")] = 0,
    duration: Annotated[float | None, typer.Option(help="Duration in seconds.")] = None,
    format: Annotated[
        str, typer.Option(help="wav, flac, ogg, opus, mp3, m4a; or stem.mp4, stem.m4a for one STEM file of a song.")
    ] = "wav",
    subtype: Annotated[str | None, typer.Option(help="wav: FLOAT, PCM_16, PCM_24; flac: PCM_24, PCM_16.")] = None,
    bitrate: Annotated[int | None, typer.Option(help="Kilobits per second of ogg, opus, mp3 and m4a.")] = None,
    clip: Annotated[
        str,
        typer.Option(
            help="Beyond full scale in 16 or 24 bits, m4a and STEM files: rescale (all stems alike), clamp or error."
        ),
    ] = "rescale",
    name: Annotated[
        str | None,
        typer.Option(help="Pattern of the stems' paths in the folder. Defaults to {track}/{stem}{ext}."),
    ] = None,
    exist: Annotated[
        str | None,
        typer.Option(
            help="What to do with stems that exist: error, skip (the song, if the same command made all of them) or "
            "overwrite. Defaults to error; with --runner to skip."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="The same as --exist overwrite.")] = False,
    stdout: Annotated[str | None, typer.Option(help="Write this stem of one song to standard output, as wav.")] = None,
    tolerant: Annotated[bool, typer.Option("--tolerant", help="Separate the readable part of damaged files.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the stems; of a STEM file beside the references.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write a page with a player of the stems.")] = False,
    embed: Annotated[bool, typer.Option("--embed", help="As --report, with the sound in the page: one file.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads that compute. Defaults to the number of cores.")] = None,
    runner: Runner = None,
    runner_options: RunnerOptions = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and warnings alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each song.")] = False,
    trust: Trust = False,
    imports: Imports = None,
) -> None:
    """Separate songs into stems.

    Writes OUTPUT/<song>/<stem>.wav as 32-bit floats, which keep any level and take 10 MB for a minute of a channel;
    --format flac takes about a third of that.
    """
    use_device(device, threads, tensorflow=not all(map(is_portable, model or [DEFAULT_MODEL])))
    from tfsep.audio.writing import SUBTYPES
    from tfsep.separation.songs import find_songs, output_folders, read_list
    from tfsep.song_batch import SongBatch, standard_input, to_standard_output

    report = report or embed
    if overwrite and exist not in (None, "overwrite"):
        raise ValueError(f"--overwrite and --exist {exist} say what to do with existing stems. Give one of them.")
    exist = "overwrite" if overwrite else exist or ("skip" if runner else "error")
    format, subtype = format.lower().removeprefix("."), subtype and subtype.upper()
    check_choice("format", format, [suffix[1:] for suffix in SUBTYPES])
    if bitrate is not None and bitrate >= 8000:
        raise ValueError(f"--bitrate is in kilobits per second, such as 192. Received: {bitrate}.")
    if two_stems is not None:
        if stems is not None:
            raise ValueError("--stems and --two-stems both choose stems. Give one of them.")
        if group or residual:
            raise ValueError("--two-stems makes two stems alone. Leave it out for --group and --residual.")
        stems, residual = [two_stems], "accompaniment"
    with contextlib.ExitStack() as stack:
        if stdout is not None:
            if output is not None or format != "wav" or as_json or plot or report:
                raise ValueError("--stdout writes one wav. Leave out --output, --format, --json, --plot and --report.")
            quiet, output = True, Path(stack.enter_context(tempfile.TemporaryDirectory()))
        inputs, piped = [*(inputs or []), *(read_list(listed) if listed else [])], None
        _check_runner(runner, runner_options)
        if runner is not None:
            if output is None:
                raise ValueError("--runner needs an --output, in which its lists lie as well.")
            if stdout is not None or "-" in inputs:
                raise ValueError("--runner separates files to files. Leave out - and --stdout.")
            if exist == "error":
                raise ValueError("--runner needs --exist skip or overwrite, as a worker may be lost and replaced.")
        if inputs == ["-"]:
            if output is None:
                raise ValueError("Standard input is in no folder. Give --output, or --stdout STEM.")
            piped = stack.enter_context(standard_input())
            inputs = [str(piped)]
        if "-" in inputs:
            raise ValueError("Standard input, -, is separated alone. Give it without other songs.")
        if not inputs:
            raise ValueError("No songs. Give files, folders, or - for standard input.")
        songs = find_songs(inputs)
        if name is None:
            name = "{track}{ext}" if format.startswith("stem.") else _NAME
        if stdout is not None and len(songs) > 1:
            raise ValueError(f"--stdout writes one song. Received: {len(songs)} songs.")
        folders = output_folders(songs, output, f".{format}", name)
        if report:
            _check_page(songs, output, name, exist)
        chosen = None if stems is None else _names(",".join(stems), ",")
        if stdout is not None and stdout != residual and (chosen is None or stdout in chosen):
            chosen, residual = [stdout], None  # nothing else is written
        batch = SongBatch(
            model or [DEFAULT_MODEL],
            {
                "stems": chosen,
                "groups": dict(map(_group, group or [])),
                "residual": residual,
                "consistent": consistent,
                "shifts": shifts,
                "tta": tta,
                "wiener": wiener,
                "overlap": overlap,
                "segment": segment,
                "batch_size": batch_size,
                "downmix": downmix,
                "extend_band": extend_band,
            },
            {
                "suffix": f".{format}",
                "subtype": subtype,
                "bitrate": None if bitrate is None else 1000 * bitrate,
                "clip": clip,
                "start": start,
                "duration": duration,
                "name": name,
                "tolerant": tolerant,
                "plot": plot,
            },
            exist=exist,
            trust=trust,
            quiet=quiet,
            as_json=as_json,
            piped=piped,
        )
        if stdout is not None and stdout not in batch.names:
            raise ValueError(f"No stem {stdout!r}. Choose of {', '.join(batch.names)}.")
        if runner is None:
            batch.run(folders)
        else:
            from tfsep.song_workers import run_on_workers

            try:
                run_on_workers(batch, folders, output, runner, runner_options)
            except KeyboardInterrupt:
                console.fail_interrupted("The same command goes on, and removes what workers left half-written.")
        if stdout is not None and batch.done:
            to_standard_output(next(iter(batch.done.values()))[stdout])
        if report and (batch.done or batch.skipped):
            _write_page(batch, output, tolerant, embed)
        if code := batch.finish():
            raise typer.Exit(code)


def _group(text: str) -> tuple[str, list[str]]:
    name, _, members = text.partition("=")
    if not name or not members:
        raise ValueError(f"A group must be NAME=STEM+STEM, such as instrumental=drums+bass. Received: {text!r}.")
    return name.strip(), _names(members, "+")


def _names(text: str, separator: str) -> list[str]:
    return [name.strip() for name in text.strip().removesuffix(separator).split(separator)]


def _check_page(songs: dict[Path, Path], output: Path | None, name: str, exist: str) -> None:
    """Raise ValueError if no page can be written of the stems of these songs."""
    from tfsep.report.page import check_output
    from tfsep.separation.file_options import song_name

    if output is None or name != _NAME or any(place != Path() for place in songs.values()):
        raise ValueError(
            "--report needs --output, songs of one folder, and a file for each stem by its usual name. STEM files and "
            "--name have other names."
        )
    page = output / "index.html"
    for path in songs:
        if song_name(path).lower() == page.name:
            raise ValueError(f"{path} would be written to {output / page.name}, where the page goes. Rename it.")
    check_output(page, exist != "error")


def _write_page(batch, output: Path, tolerant: bool, embed: bool) -> None:
    from tfsep.report import write_stems_page
    from tfsep.separation.file_options import song_name

    songs = batch.skipped | batch.done
    stems = {song_name(path): list(paths) for path, paths in songs.items()}
    # The stems of an excerpt do not fit the whole song.
    excerpt = batch.files["start"] or batch.files["duration"]
    mixtures = {} if excerpt else {song_name(path): path for path in songs}
    page = write_stems_page(
        output,
        songs=stems,
        mixtures=mixtures,
        model=" + ".join(batch.models),
        embed=embed,
        tolerant=tolerant,
        overwrite=batch.files["overwrite"],
    )
    if not batch.quiet:
        print(f"page: {page}")


@app.command()
@with_options(fields(TrainConfig))
def train(
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; options override it.")] = None,
    sources: Annotated[str | None, typer.Option(help="Names with commas, such as vocals,drums.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Rate of the model. Defaults to the published one.")] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of the model. Defaults to the published one.")] = None,
    segment: Annotated[int | None, typer.Option(help="Samples of a segment. Defaults to the published one.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in OUTPUT, as configured.")] = False,
    imports: Imports = None,
    **options,
) -> None:
    """Train a model; the run is kept in a folder and can be resumed."""
    from tfsep.training import train as run
    from tfsep.training.strategies import WorkerLostError

    options = given(fields(TrainConfig), options)
    if resume and config is None and Path(options.get("output", ""), CONFIG).is_file():
        config = Path(options["output"], CONFIG)
    settings = (read_config(config) if config else {}) | options
    model = {
        "sources": None if sources is None else _names(sources, ","),
        "sample_rate": sample_rate,
        "channels": channels,
        "segment": segment,
    }
    settings["options"] = settings.get("options", {}) | {
        name: value for name, value in model.items() if value is not None
    }
    try:
        with console.interrupts_told():
            run(TrainConfig(**settings), resume=resume, verbose=1 if sys.stdout.isatty() else 2)
    except KeyboardInterrupt:
        console.fail_interrupted(f"Continue after the last complete epoch with --resume --output {settings['output']}.")
    except WorkerLostError:
        print("A worker was lost; waiting for it, to continue after the last complete epoch.", file=sys.stderr)
        time.sleep(1)
        console.restart("--resume")
    print(f"The best model is in {Path(settings['output'], 'best')}.")


@app.command()
def prepare(
    data: Annotated[list[str], typer.Argument(help=NOTATION)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the store.")],
    split: Annotated[
        list[str] | None, typer.Option(help="train, valid, test; repeatable. Defaults to train and valid.")
    ] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Defaults to that of the first track.")] = None,
    channels: Annotated[int | None, typer.Option(help="Defaults to the most that a track has.")] = None,
    format: Annotated[str, typer.Option(help="tfrecord or lmdb.")] = "tfrecord",
    shards: Annotated[int | None, typer.Option(help="Number of files. Defaults to files of about 256 MB.")] = None,
    runner: Runner = None,
    runner_options: RunnerOptions = "",
) -> None:
    """Decode and resample data into a store that is read at memory speed; a killed run continues."""
    from tfsep import datasets
    from tfsep.pipeline import beam
    from tfsep.pipeline import prepare as write

    corpora = {name: [t for spec in data for t in datasets.from_spec(spec, name)] for name in split or DEFAULT_SPLITS}
    _check_runner(runner, runner_options)
    run = beam.runner(runner, runner_options) if runner else None
    write(corpora, output, sample_rate=sample_rate, channels=channels, format=format, shards=shards, run=run)
    manifest = datasets.Store(output, split=None).manifest
    for name, count in manifest["counts"].items():
        print(f"{name:6} {count} tracks, {manifest['seconds'][name] / 60:.1f} min")
    print(
        f"{output}: {', '.join(manifest['sources'])} at {manifest['sample_rate']} Hz, {len(manifest['shards'])} shards"
    )


def _check_runner(runner: str | None, options: str) -> None:
    if runner is None and options:
        raise ValueError("--runner-options are of a runner. Give --runner as well.")


@app.command()
def evaluate(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=f"Preset (default: {DEFAULT_MODEL}), path of any model; or a name for --estimates.",
        ),
    ] = None,
    data: Annotated[str, typer.Option(help=NOTATION)] = "embedded",
    split: Annotated[str, typer.Option(help="train, valid, test, or all of a folder of stems.")] = "test",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for museval JSON.")] = None,
    protocol: Annotated[
        str, typer.Option(help="bsseval_v4, bsseval_v3, si_sdr, mdx, msst, log_wmse; several with commas.")
    ] = "bsseval_v4",
    oracle: Annotated[
        list[str] | None,
        typer.Option(help="IBM1, IBM2, IRM1, IRM2, MWF; repeatable; or none. Defaults to IRM1."),
    ] = None,
    estimates: Annotated[
        Path | None, typer.Option(help="Folder of stems to score instead of a model, in any layout.")
    ] = None,
    mapped: Mapped = None,
    sdr_only: Annotated[bool, typer.Option("--sdr-only", help="Leave out ISR, SIR and SAR, which are slow.")] = False,
    overlap: Overlap = None,
    jobs: Annotated[int, typer.Option(help="Tracks at a time, each in a process of one thread.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the tracks that OUTPUT contains.")] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    trust: Trust = False,
    imports: Imports = None,
) -> None:
    """Score a model, or estimates on disk, beside the mixture and oracles."""
    from tfsep import datasets
    from tfsep import evaluate as score
    from tfsep.evaluation import FolderEstimates, table

    names = _mapping(mapped)
    tracks = datasets.from_spec(data, split, names)
    try:
        with console.interrupts_told():
            scores = score(
                FolderEstimates(estimates, tracks, names) if estimates else model or DEFAULT_MODEL,
                tracks,
                output=output,
                protocol=protocol,
                oracles=() if oracle == ["none"] else oracle or ("IRM1",),
                name=model if estimates else None,
                sdr_only=sdr_only,
                overlap=overlap,
                jobs=jobs,
                resume=resume,
                trust=trust,
                progress=True,
            )
    except KeyboardInterrupt:
        if output is None:
            raise
        console.fail_interrupted(f"The tracks that are done are in {output}: the same command with --resume goes on.")
    groups = [[result] for result in scores.values()] if isinstance(scores, dict) else [[scores]]
    _print_scores(groups, table, as_csv, as_json)
    if groups[0][0].failures:
        raise typer.Exit(1)


@app.command()
def table(
    results: Annotated[
        list[Path], typer.Argument(help="Folders that `tfsep evaluate -o` wrote, or of museval's JSON files.")
    ],
    comparison: Annotated[
        bool, typer.Option("--compare", help="Differences from the first, track by track, with their significance.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a Markdown table.")] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Print the scores of several evaluations side by side, or how they differ."""
    from tfsep import evaluation

    if comparison and (as_csv or as_json):
        raise ValueError("--compare prints a table. Leave out --csv and --json, or see tfsep.evaluation.compare.")
    groups = [evaluation.read_results(group) for group in evaluation.result_groups(results)]
    formatted = evaluation.comparison_table if comparison else evaluation.table
    _print_scores(groups, partial(formatted, markdown=markdown), as_csv, as_json)


@app.command()
def score(
    reference: Annotated[Path, typer.Argument(help="File of the true source.")],
    estimate: Annotated[Path, typer.Argument(help="File of its estimate.")],
    mixture: Annotated[Path | None, typer.Option(help="File of the mixture, which log-WMSE needs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Score one file by every measure that needs no other sources."""
    from tfsep.evaluation import score_files

    scores = score_files(reference, estimate, mixture)
    if as_json:
        print(json.dumps(scores, indent=2))
        return
    for protocol, values in scores.items():
        for measure, value in values.items():
            print(f"{protocol:12}{measure:10}{'-' if value is None else f'{value:.3f}':>9}")


def _mapping(text: str | None) -> dict[str, str]:
    """Return a dict from `NAME=NAME,NAME=NAME`."""
    pairs = _names(text, ",") if text else []
    wrong = [pair for pair in pairs if pair.count("=") != 1]
    if wrong:
        raise ValueError(f"--map takes SOURCE=NAME, with commas between several. Received: {wrong[0]!r}.")
    return dict(pair.split("=") for pair in pairs)


def _print_scores(groups: list[list], table: Callable[[list], str], as_csv: bool, as_json: bool) -> None:
    """Print groups of scores of one protocol each."""
    from tfsep.evaluation import csv_text
    from tfsep.evaluation.result_files import summary

    scores = [result for group in groups for result in group]
    if as_csv:
        print(csv_text(scores), end="")
    elif as_json:
        print(json.dumps([summary(result) for result in scores], indent=2))
    else:
        print("\n\n".join(table(group) for group in groups))


@app.command()
def report(
    results: Annotated[
        list[Path], typer.Argument(help="Folders that `tfsep evaluate -o` wrote, or one of stems, of any program.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the page. Defaults to that of the stems.")
    ] = None,
    data: Annotated[str | None, typer.Option(help=f"Tracks with the true sources to listen to: {NOTATION}")] = None,
    split: Annotated[str, typer.Option(help="Split of the data.")] = "test",
    estimates: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER of a model's stems, in any layout; repeatable.")
    ] = None,
    mapped: Mapped = None,
    track: Annotated[list[str] | None, typer.Option(help="A track to listen to; repeatable.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Longest excerpt to listen to. Defaults to 30, for stems to whole songs.")
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put the sound of stems into the page: one file. That of scores always is.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a page that exists.")] = False,
) -> None:
    """Write scores as a page with box plots, tables and a player that compares stems; or a page that plays stems.

    Stems of one or more songs are found in the layouts of tfsep, demucs, spleeter, open-unmix, audio-separator, UVR and
    MSST, such as <song>/<stem>.wav and <song>_(<Stem>).wav, in any audio format.
    """
    from tfsep import datasets
    from tfsep.report import write_report, write_stems_page

    names = _mapping(mapped)
    if len(results) == 1 and _holds_stems(results[0]):
        if data or estimates or track:
            raise ValueError(f"{results[0]} has no scores, and --data, --estimates and --track do not apply to stems.")
        place = (output or results[0]) / "index.html"
        page = write_stems_page(results[0], place, names=names, seconds=seconds, embed=embed, overwrite=overwrite)
        print(f"page: {page}")
        return
    if output is None:
        raise ValueError("A page of scores needs --output.")
    wrong = [pair for pair in estimates or () if "=" not in pair]
    if wrong:
        raise ValueError(f"--estimates takes NAME=FOLDER. Received: {wrong[0]!r}.")
    folders = dict(pair.split("=", 1) for pair in estimates or ())
    corpus = datasets.from_spec(data, split, names) if data else None
    options = {} if seconds is None else {"seconds": seconds}
    page = write_report(results, output, track, folders, data=corpus, names=names, overwrite=overwrite, **options)
    print(f"page: {page}")


def _holds_stems(folder: Path) -> bool:
    """Return whether a folder is one of stems: others contain JSON alone, or the summary of an evaluation."""
    from tfsep.datasets.folders import SUFFIXES

    folder = existing_folder(folder, "a folder of results or of stems")
    suffixes = {path.suffix.lower() for path in folder.rglob("*")}
    return ".json" not in suffixes or not (suffixes.isdisjoint(SUFFIXES) or any(folder.rglob("summary.json")))


@app.command()
def web(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 for any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Open a page on this machine to drop songs on, and to play, mix and save their stems (extra `web`).

    Songs are kept in a temporary folder until the page removes them or the command ends.
    """
    try:
        from tfsep.web.server import serve
    except ModuleNotFoundError as error:
        raise RuntimeError(f"The page needs {error.name}: pip install 'tfsep[web]'.") from error
    serve(port, browser)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Preset, preset folder or .keras file.")],
    output: Annotated[
        Path, typer.Argument(help="Folder of the SavedModel, or file .onnx or .tflite, which must not exist.")
    ],
    format: Annotated[
        str | None, typer.Option(help="savedmodel, onnx or litert. Inferred from the suffix of OUTPUT.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="float32, or for litert float16 or int8 (dynamic range): smaller files.")
    ] = "float32",
    imports: Imports = None,
) -> None:
    """Write a model for other programs, as a SavedModel, ONNX or LiteRT: waveform in, one for each source out."""
    from tfsep.loading import check_network, load_model
    from tfsep.portable.formats import FORMATS, check_export

    if format is None:
        suffixes = {suffix: name for name, (_, suffix) in FORMATS.items() if suffix}
        if output.suffix and output.suffix.lower() not in suffixes:
            raise ValueError(f"{output} ends neither in {' nor in '.join(suffixes)}. Give --format.")
        format = suffixes.get(output.suffix.lower(), "savedmodel")
    check_choice("format", format, tuple(FORMATS))
    name, _ = FORMATS[format]
    check_network(model)
    check_export(output, name, weights)
    loaded = load_model(model)
    loaded.export(output, name, weights=weights)
    shape = "batch, samples" if name == "tf_saved_model" else f"1, {loaded.segment + 2 * loaded.context}"
    print(f"{output}: {format}, [{shape}, {loaded.channels}] at {loaded.sample_rate} Hz -> {', '.join(loaded.sources)}")


@app.command()
def convert(
    files: Annotated[
        list[Path], typer.Argument(help="Files of another project; one for each source, if it has several.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the preset, which must not exist.")],
    config: Annotated[Path | None, typer.Option(help="YAML file of the network's arguments.")] = None,
    half: Annotated[bool | None, typer.Option(help="Store half precision. Defaults to what the files have.")] = None,
) -> None:
    """Read weights of Spleeter, Open-Unmix, HTDemucs or a RoFormer into a preset folder; run no code in them."""
    from tfsep import checkpoints

    options = checkpoints.read_configuration(config) if config else {}
    model = checkpoints.convert(files, output, half=half, **options)
    print(f"{output}: {type(model).__name__} at {model.sample_rate} Hz -> {', '.join(model.sources)}")


@app.command()
def fetch(names: Annotated[list[str], typer.Argument(help="Names of published models; see `tfsep presets`.")]) -> None:
    """Download published models and convert them, once, as `tfsep separate -m NAME` does."""
    from tfsep import checkpoints

    for name in names:
        print(f"{name}: {checkpoints.fetch(name)}")


@app.command()
def presets(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with all facts.")] = False,
) -> None:
    """List the presets and the models to fetch by name: stems, size, scores, licence."""
    from tfsep import presets as shelf

    rows = shelf.table()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    lines = [("NAME", "", "MB kHz", "LICENCE", "COMMERCIAL", "SDR IN dB", "ON")]
    notes: dict[str, int] = {}
    for row in rows:
        scores = row["scores"] or {"values": dict.fromkeys(row["sources"])}
        values = (f"{name} {value:.2f}" if value is not None else name for name, value in scores["values"].items())
        mark = ""
        if "data" in scores:
            protocol = f"{scores['protocol']} {scores['measure']}, " if "protocol" in scores else ""
            mark = f"{notes.setdefault(protocol + scores['data'], len(notes) + 1)}"
        where = "" if row["shipped"] else "fetch"
        size = f"{row['bytes'] / 1e6:3.0f} {row['bandwidth'] / 1000:2.0f}"
        lines.append((row["name"], where, size, row["licence"], row["commercial_use"], ", ".join(values), mark))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    print()
    for note, mark in notes.items():
        print(f"{mark}: {note}")
    print("kHz: band of the stems; above it they are silent, or continued by --extend-band.")
    print(f"The default is {DEFAULT_MODEL}. Without training, by name as well: {', '.join(shelf.TRAINING_FREE)}.")


@app.command()
def inspect(
    path: Annotated[str | None, typer.Argument(help="Audio file, or data such as musdb18:PATH.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Figure of the sources.")] = Path("inspect.png"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="Print this model's layers instead.")] = None,
    track: Annotated[int, typer.Option(help="Number of the song of a dataset to draw, from 0.")] = 0,
    imports: Imports = None,
) -> None:
    """Draw the sources of a file or dataset and print durations, or print a model's layers."""
    from tfsep import inspection

    if model is not None:
        from tfsep.loading import check_network, load_model

        check_network(model)
        inspection.print_layers(load_model(model))
    elif path is not None:
        for line in inspection.inspect_audio(path, output, track):
            print(line)
    else:
        raise ValueError("Nothing to inspect. Give a file, data such as musdb18:PATH, or --model NAME.")


@app.command()
def doctor() -> None:
    """Print versions, devices, codecs and one timed multiplication for each device."""
    from tfsep.doctor import report

    for subject, finding in report():
        print(f"{subject:20} {finding}")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for stems and figure.")] = Path("demo"),
    model: ModelArgument = DEFAULT_MODEL,
    trust: Trust = False,
    imports: Imports = None,
) -> None:
    """Separate and score the real song that comes with the installation."""
    from tfsep import datasets, separate_file
    from tfsep import evaluate as score
    from tfsep.song_batch import song_bar

    song = datasets.embedded()
    with song_bar(song[0].name) as progress:
        paths = separate_file(
            song[0].mixture.path,
            output,
            model,
            plot=True,
            overwrite=True,
            progress=progress,
        )
    print(f"{song[0].name}: {', '.join(paths)}, waveforms.png -> {output}\n")
    print(score(model, song, sdr_only=True))
