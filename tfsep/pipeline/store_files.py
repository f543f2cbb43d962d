"""Writers of the two formats of shards, TFRecord and LMDB.

A writer is a context manager, called with the path to write and the path for messages of errors. It yields a function
that writes a message and returns its place: the byte at which it starts in a TFRecord file, its key in LMDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tfsep.datasets.store import import_lmdb

# Bytes that TFRecord writes before a message (its length and the checksum of that) and after it (its checksum).
_BEFORE, _AFTER = 12, 4


@contextmanager
def _tfrecord_writer(path: Path, shard: Path) -> Iterator[Callable[[bytes], int]]:
    place = 0

    def write(message: bytes) -> int:
        nonlocal place
        writer.write(message)
        start = place + _BEFORE
        place = start + len(message) + _AFTER
        return start

    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            yield write
    except tf.errors.OpError as error:
        raise _write_error(shard, error) from error


@contextmanager
def _lmdb_writer(path: Path, shard: Path) -> Iterator[Callable[[bytes], int]]:
    key = 0

    def write(message: bytes) -> int:
        nonlocal key
        # The map is only address space; it grows with the messages.
        environment.set_mapsize(environment.info()["map_size"] + len(message) + 2**20)
        with environment.begin(write=True) as transaction:
            transaction.put(key.to_bytes(8, "big"), message, append=True)
        key += 1
        return key - 1

    lmdb = import_lmdb()
    environment = lmdb.open(str(path), subdir=False, lock=False, sync=False, map_size=2**20)
    try:
        yield write
        environment.sync(True)
    except lmdb.Error as error:
        raise _write_error(shard, error) from error
    finally:
        environment.close()


def _write_error(shard: Path, error: Exception) -> OSError:
    reason = str(error).rpartition("; ")[2]
    return OSError(
        f"{shard} could not be written: {reason}. Free space, and call again to continue; or choose another folder for "
        "the store."
    )


WRITERS = {"tfrecord": _tfrecord_writer, "lmdb": _lmdb_writer}
