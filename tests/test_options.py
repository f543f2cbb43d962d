"""Options of the command line from the fields of a dataclass."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from tfsep.options import given, with_options
from tfsep.training.recipe import fields, option


@dataclass(kw_only=True)
class Settings:
    song: str = option("all", "A song.", "song")
    folder: str | None = option(None, "A folder.", "--to", "-t")
    steps: int = option(7, "Steps.")
    compiled: bool | str = option("auto", "Compiled.")
    speeds: list[float] = option(list, "Speeds; repeatable.")
    losses: dict[str, dict] = option(lambda: {"l1": {}, "l2": {}}, "Losses.")
    anything: dict = option(dict, "No option.")


@pytest.fixture
def call():
    app, seen = typer.Typer(add_completion=False, rich_markup_mode=None), {}

    @app.command()
    @with_options(fields(Settings))
    def verb(quiet: bool = False, **options) -> None:
        seen.update(given(fields(Settings), options), quiet=quiet)

    def call(*arguments: str) -> tuple[dict, str]:
        seen.clear()
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return dict(seen), " ".join(result.output.split())

    return call


def test_options_that_are_not_given_are_left_out(call):
    assert call()[0] == {"quiet": False}


def test_values_have_the_types_of_the_fields(call):
    options = (
        "--to",
        "there",
        "--steps",
        "3",
        "--no-compiled",
        "--speeds",
        "0.9",
        "--speeds",
        "2",
        "--losses",
        "l1,l3",
    )
    assert call("one", *options, "--quiet")[0] == {
        "song": "one",
        "folder": "there",
        "steps": 3,
        "compiled": False,
        "speeds": [0.9, 2.0],
        "losses": {"l1": {}, "l3": {}},
        "quiet": True,
    }
    assert call("--losses", "none")[0]["losses"] == {}


def test_help_has_words_and_defaults(call):
    text = call("--help")[1]
    for words in ("A song. Defaults to all.", "Steps. Defaults to 7.", "Losses. Defaults to l1,l2.", "-t, --to"):
        assert words in text
    assert "anything" not in text
