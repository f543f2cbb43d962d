"""Songs that paths name."""

import os

import pytest

from tfsep.separation import find_songs


def test_a_file_that_is_named_twice_is_one_song_and_a_link_to_a_folder_is_followed(tmp_path):
    for place in ("a/b", "c"):
        (tmp_path / place).mkdir(parents=True)
    for song in (tmp_path / "song.wav", tmp_path / "a" / "song.wav"):
        song.touch()
    try:
        os.symlink(tmp_path / "a" / "b", tmp_path / "c" / "link")
    except OSError:
        pytest.skip("links need a right here")
    # `c/link/..` is `a`, and not `c`.
    linked, twice = tmp_path / "c" / "link" / ".." / "song.wav", tmp_path / "a" / "song.wav"
    assert list(find_songs([linked, twice, tmp_path / "song.wav"])) == [linked, tmp_path / "song.wav"]
