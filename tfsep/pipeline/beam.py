"""Preparation of a store on many machines with Apache Beam."""

from __future__ import annotations

import shlex
from collections.abc import Callable

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
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise RuntimeError("A runner needs Apache Beam: pip install 'tfsep[beam]'.") from error

    def run(plan: Plan, shards: list[int]) -> None:
        with beam.Pipeline(options=PipelineOptions([f"--runner={name}", *shlex.split(options)])) as pipeline:
            numbers = pipeline | "shards" >> beam.Create(shards) | beam.Reshuffle()
            numbers | "write" >> beam.Map(lambda shard: write_shard(plan, shard))

    return run
