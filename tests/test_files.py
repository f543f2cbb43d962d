import errno
import os
from pathlib import Path

import pytest

from tfsep.files import check_space, replacing, write_text


def contents(folder) -> dict[str, str]:
    """All files below a folder, hidden ones too."""
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
def test_replaces_what_was_there(path, folder, was_folder):
    path.parent.mkdir()
    write(path, "old", was_folder)
    if folder and not was_folder:
        pytest.skip("a folder never takes the place of a file")
    with replacing(path) as temporary:
        write(temporary, "new", folder)
        assert "old" in contents(path.parent).values()
    assert list(contents(path.parent).values()) == ["new"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_keeps_the_old_after_an_error(path, folder, error):
    path.parent.mkdir()
    write(path, "old", folder)
    before = contents(path.parent)
    with pytest.raises(type(error)), replacing(path) as temporary:
        write(temporary, "half", folder)
        raise error
    assert contents(path.parent) == before
    assert list(path.parent.iterdir()) == [path]


def test_leaves_nothing_after_an_error_where_nothing_was(path, folder):
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        write(temporary, "half", folder)
        1 / 0  # noqa: B018
    assert list(path.parent.iterdir()) == []


def test_keeps_the_old_when_nothing_new_was_written(path, folder):
    path.parent.mkdir()
    write(path, "old", folder)
    before = contents(path.parent)
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert contents(path.parent) == before


def test_keeps_the_old_folder_when_the_rename_fails(path, monkeypatch):
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


def test_a_disk_with_too_little_space_is_said_before_writing(tmp_path):
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
