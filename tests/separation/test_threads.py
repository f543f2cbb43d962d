import threading
import time

import numpy as np
import pytest

from tfsep.separation.threads import call_ahead, read_ahead, write_behind


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


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_results_come_in_the_order_of_their_arguments(count):
    assert list(call_ahead(lambda index: -index, range(count))) == [-index for index in range(count)]


def test_the_next_call_is_made_while_a_result_is_used():
    called = threading.Semaphore(0)
    for index in call_ahead(lambda index: called.release() or index, range(4)):
        # Released by the calls of this result and of the next one, which nobody has asked for.
        for _ in range(2 if index == 0 else 1 if index < 3 else 0):
            assert called.acquire(timeout=10), index


def test_an_error_of_a_call_comes_after_the_results_before_it():
    results = call_ahead(lambda index: 1 / index, [2, 1, 0, 4])
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


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


@pytest.mark.parametrize("ahead", [read_ahead, lambda items: call_ahead(lambda item: item, items)])
def test_what_is_given_up_ends_its_thread(ahead):
    before, taken = threading.active_count(), []

    def items():
        for index in range(100):
            taken.append(index)
            yield index

    results = ahead(items())
    next(results)
    results.close()
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert taken in ([0], [0, 1])


@pytest.mark.filterwarnings("error")  # one that nobody can catch
def test_calls_that_are_given_up_may_end_in_their_own_thread():
    results, given_up, ended = [], threading.Event(), threading.Event()

    def call(index):
        if index == 1:
            given_up.wait(10)
            results.clear()
            ended.set()

    results.append(call_ahead(call, range(3)))
    next(results[0])
    given_up.set()
    assert ended.wait(10)


def test_a_generator_that_is_left_behind_does_not_wait_for_its_thread():
    going, go_on, waited_for = threading.Event(), threading.Event(), []

    def slow(index):
        if index == 1:
            going.set()
            if not go_on.wait(timeout=2):
                waited_for.append(index)
        return index

    for read in (call_ahead(slow, range(3)), read_ahead(map(slow, range(3)))):
        going.clear(), go_on.clear()
        assert next(read) == 0
        assert going.wait(timeout=10)
        read.close()  # as the garbage collector does, in any thread
        assert not waited_for
        go_on.set()
