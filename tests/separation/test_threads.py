import threading

import numpy as np
import pytest

from tfsep.separation.threads import read_ahead, write_behind


def test_blocks_arrive_in_order():
    blocks = [np.full(3, index) for index in range(20)]
    written = []
    write_behind(read_ahead(blocks), written.append)
    assert np.array_equal(written, blocks)


def test_nothing_is_read_or_written_of_nothing():
    written = []
    write_behind(read_ahead([]), written.append)
    assert written == []


def test_the_next_block_is_read_while_one_is_used():
    read = threading.Semaphore(0)

    def blocks():
        for index in range(4):
            yield index
            read.release()

    for index in read_ahead(blocks()):
        # Released by the thread alone, after it was asked for the next block.
        assert read.acquire(timeout=10), index


def test_the_next_block_is_made_while_one_is_written():
    made = threading.Semaphore(0)

    def blocks():
        for index in range(4):
            yield index
            made.release()

    def write(block):
        assert made.acquire(timeout=10), block

    write_behind(blocks(), write)


def test_an_error_of_reading_comes_after_the_blocks_before_it():
    def blocks():
        yield 1
        yield 2
        raise OSError("gone")

    got = []
    with pytest.raises(OSError, match="gone"):
        write_behind(read_ahead(blocks()), got.append)
    assert got == [1, 2]


def test_an_error_of_writing_ends_the_song():
    made = []

    def blocks():
        for index in range(100):
            made.append(index)
            yield index

    def write(block):
        if block == 3:
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_behind(blocks(), write)
    assert len(made) <= 5


def test_threads_end_with_a_song_that_is_given_up():
    before = threading.active_count()
    blocks = read_ahead(iter(range(100)))
    next(blocks)
    blocks.close()
    assert threading.active_count() == before
