import os
import subprocess
import sys
from pathlib import Path

import pytest

# Its assertions should show their values, as those of test modules do.
pytest.register_assert_rewrite("separator_case")


class Script:
    """A script beside this file in a process of its own, which works on one folder after another.

    TensorFlow is loaded once for all tests: that takes longer than most of what they do with it.
    """

    def __init__(self, name: str, errors: Path, environment: dict[str, str]):
        self.errors = errors
        command = [sys.executable, Path(__file__).with_name(name)]
        with errors.open("w") as file:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    def __call__(self, folder: Path) -> None:
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", self.errors.read_text()[-3000:]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what a subclass of `SeparatorCase` names as slow."""
    for item in items:
        if item.originalname in getattr(item.cls, "slow", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    """A function from a script's name and variables of its environment to a function that runs it in a folder."""
    running = {}

    def script(name: str, **environment: str) -> Script:
        if name not in running or running[name].process.poll() is not None:
            running[name] = Script(name, tmp_path_factory.mktemp("script") / "errors.txt", environment)
        return running[name]

    yield script
    for each in running.values():
        each.process.stdin.close()
        each.process.wait()
