import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfsep import files
from tfsep.files import (
    check_space,
    file_name,
    is_file_name,
    locked,
    remove_leftovers,
    replacing,
    write_text,
)


def contents(folder) -> dict[str, str]:
    """Return the contents of all files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(path, text: str, folder: bool) -> None:
    if folder:
        path.mkdir()
        (path / "part").write_text(text)
    else:
        path.write_text(text)


@pytest.fixture(params=["file", "folder"])
def folder(request):
    return request.param == "folder"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "thing.ext"


def test_appears_when_the_block_ends(path, folder):
    with replacing(path) as temporary:
        assert temporary.suffix == path.suffix
        write(temporary, "new", folder)
        assert not path.exists()
    name = "thing.ext/part" if folder else "thing.ext"
    assert contents(path.parent) == {name: "new"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("was_folder", [False, True], ids=["over a file", "over a folder"])
def test_replaces_a_file_or_a_folder(path, folder, was_folder):
    path.parent.mkdir()
    write(path, "old", was_folder)
    if folder and not was_folder:
        pytest.skip("a folder does not replace a file")
    with replacing(path) as temporary:
        write(temporary, "new", folder)
        assert "old" in contents(path.parent).values()
    assert list(contents(path.parent).values()) == ["new"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_keeps_the_old_one_after_an_error(path, folder, error):
    path.parent.mkdir()
    write(path, "old", folder)
    before = contents(path.parent)
    with pytest.raises(type(error)), replacing(path) as temporary:
        write(temporary, "half", folder)
        raise error
    assert contents(path.parent) == before
    assert list(path.parent.iterdir()) == [path]


def test_leaves_nothing_new_after_an_error(path, folder):
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        write(temporary, "half", folder)
        1 / 0  # noqa: B018
    assert list(path.parent.iterdir()) == []


def test_keeps_the_old_one_if_nothing_was_written(path, folder):
    path.parent.mkdir()
    write(path, "old", folder)
    before = contents(path.parent)
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert contents(path.parent) == before


def test_keeps_the_old_folder_if_renaming_fails(path, monkeypatch):
    path.parent.mkdir()
    write(path, "old", folder=True)
    before = contents(path.parent)
    replace = os.replace

    def failing(source, target):
        if target == path and os.path.exists(os.path.join(source, "new")):
            raise OSError("no space left")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no space left"), replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert contents(path.parent) == before


def test_too_little_space_is_an_error_before_writing(tmp_path):
    check_space(tmp_path / "a" / "b", 1000)
    with pytest.raises(OSError, match=r"No space left.*1000000000.0 MB are needed, .* are free.*tmp/a/b") as raised:
        check_space(Path("/tmp/a/b"), 10**15)
    assert raised.value.errno == errno.ENOSPC


def test_an_error_names_the_path_and_not_the_temporary_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as raised, replacing(tmp_path / "file" / "a"):
        pass
    assert raised.value.filename == str(tmp_path / "file" / "a")


def test_write_text(tmp_path):
    write_text(tmp_path / "a.txt", "eins")
    write_text(tmp_path / "a.txt", "zwei ü")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "zwei ü"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_that_is_no_utf_8_is_written_with_a_replacement(tmp_path):
    write_text(tmp_path / "a.txt", "caf\udce9")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "caf?"


@pytest.mark.parametrize(
    "name", ["Back in Black", "AM Contra - Heart Peripheral", "Promises & Lies", "7", "früh", "a.b"]
)
def test_usual_names_are_not_changed(name):
    assert file_name(name) == name
    assert is_file_name(name)


NAMES = ["", ".", "..", "...", " ", "a.", "a ", ".a", "a/b", "a\\b", "../a", "/a", "C:a", "con", "nul.txt", "COM1 .x"]
NAMES += ["a\0b", "a\nb", 'a"b', "a?", "x" * 300, "é" * 200, "caf\udce9", "\ud800"]


def with_names(test):
    for name in NAMES:
        test = example(name)(test)
    return settings(deadline=None, derandomize=True)(given(st.text(st.characters(), max_size=300))(test))


@with_names
def test_any_name_becomes_a_safe_one(name):
    safe = file_name(name)
    assert os.path.basename(safe) == safe and os.path.normpath(os.path.join("out", safe)) == os.path.join("out", safe)
    assert 0 < len(safe.encode()) <= 230
    assert not set(safe) & set('<>:"/\\|?*\0\n') and safe[0] != "." and safe[-1] not in ". "
    assert safe.partition(".")[0].strip().upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT1")
    assert file_name(safe) == safe
    assert is_file_name(name) == (name == safe)


def test_different_names_stay_different():
    assert len({file_name(name) for name in [*NAMES, "a_b", "a_"]}) == len(NAMES) + 2


WRITE_AND_WAIT = """
import sys, time
from tfsep.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is writing `tmp_path / "file"`."""
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path / "file")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        yield process
        process.kill()


@pytest.mark.skipif(files.fcntl is None, reason="no locks")
def test_leftovers_of_a_killed_process_are_removed_and_those_of_a_living_one_stay(writer, tmp_path):
    assert len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "other", "text")
    remove_leftovers(tmp_path)
    assert list(contents(tmp_path).values()).count("half") == 1
    writer.kill()
    writer.wait()
    files._remove_leftovers_once.cache_clear()
    write_text(tmp_path / "other", "text")
    assert contents(tmp_path) == {"other": "text"}
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]


@pytest.mark.skipif(files.fcntl is None, reason="no locks")
def test_a_folder_that_a_killed_process_was_replacing_is_restored(tmp_path):
    write(tmp_path / "thing", "old", folder=True)

    def work():
        with replacing(tmp_path / "thing") as temporary:
            write(temporary, "new", folder=True)
            replace = os.replace

            def killed(source, target):
                replace(source, target)
                os.kill(os.getpid(), signal.SIGKILL)

            os.replace = killed

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert not (tmp_path / "thing").exists()
    remove_leftovers(tmp_path)
    assert contents(tmp_path) == {"thing/part": "old"}


@pytest.mark.skipif(files.fcntl is None, reason="no locks")
def test_a_second_process_waits_for_a_locked_folder(tmp_path):
    script = "import sys; from tfsep.files import locked\nwith locked(sys.argv[1]): print('in')"
    with locked(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "another process writes into this folder; waiting" in process.stderr.readline()
        assert process.poll() is None
    assert process.communicate(timeout=200)[0] == "in\n"
