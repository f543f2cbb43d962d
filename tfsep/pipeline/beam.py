"""Apache Beam, and the preparation of a store on many machines with it."""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Callable
from types import ModuleType

from tfsep.pipeline.preparation import Plan, write_shard


def runner(name: str = "DirectRunner", options: str = "") -> Callable[[Plan, list[int]], None]:
    """Return a function for the argument `run` of `tfsep.pipeline.prepare` that writes shards with Apache Beam.

    The workers must find the corpora and the store under the same paths as this machine.

    Args:
        name: str, Beam's name of a runner. Defaults to `"DirectRunner"`, which is this machine.
        options: str, further options of Beam, as on its command line. Defaults to `""`.

    Returns:
        The function.

    Raises:
        RuntimeError: if Apache Beam is not installed.
    """
    beam = import_beam()

    def run(plan: Plan, shards: list[int]) -> None:
        with new_pipeline(name, options) as pipeline:
            numbers = pipeline | "shards" >> beam.Create(shards) | beam.Reshuffle()
            numbers | "write" >> beam.Map(lambda shard: write_shard(plan, shard))

    return run


def import_beam() -> ModuleType:
    """Import Apache Beam; raise RuntimeError if it is not installed."""
    try:
        import apache_beam
    except ImportError as error:
        raise RuntimeError("A runner needs Apache Beam: pip install 'tfsep[beam]'.") from error
    return apache_beam


def new_pipeline(name: str, options: str):
    """Return an empty pipeline of Beam for a runner with further options; see `runner`."""
    beam = import_beam()
    printed = io.StringIO()
    try:
        chosen = beam.options.pipeline_options.PipelineOptions([f"--runner={name}", *shlex.split(options)])
        with contextlib.redirect_stderr(printed):
            chosen.get_all_options()
    except ValueError as error:
        raise ValueError(f"--runner-options {options}: {error}.") from None
    except SystemExit:  # of argparse, which prints the usage first
        *_, reason = printed.getvalue().strip().split(" error: ")
        raise ValueError(f"--runner-options {options}: {reason}.") from None
    return beam.Pipeline(options=chosen)
