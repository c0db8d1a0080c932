"""A lock in a bucket: an object that is created only if it is not there, and deleted by its holder.

A holder writes the object again and again while it holds the lock. If nobody has for ``SECONDS``, the holder was
killed, and whoever waits takes the lock over. Each of these writes replaces only what its writer last wrote or saw. No
clocks of several machines are compared. A holder that was stopped and goes on later does no harm: Delta's commits are
conditional writes, too.

What the object contains decides nothing, because a server may give the content of one write with the tag of another.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

SECONDS = 30.0
"""How long a holder may be silent. It says that it is alive every third of it."""

POLL = 0.3
"""Seconds between two looks at a lock that another one holds. A bucket tells nobody when an object changes."""

LOST = (PreconditionError, FileNotFoundError)
"""A lock that has another tag by now, or was deleted."""


@contextmanager
def lease(store: S3Store, path: str, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lock at a path of a bucket; wait for it if another one holds it."""
    held = _Held(store, path, _acquired(store, path, seconds))
    ended = Event()
    alive = Thread(target=held.keep, args=(ended, seconds / 3), daemon=True)
    alive.start()
    try:
        yield
    finally:
        ended.set()
        alive.join()
        held.give_back()


class _Held:
    """A lock that this process holds."""

    def __init__(self, store: S3Store, path: str, tag: str) -> None:
        self._store, self._path, self._tag = store, path, tag

    def keep(self, ended: Event, every: float) -> None:
        """Say that this process is alive, until it has ended or lost the lock."""
        while not ended.wait(every):
            try:
                self._tag = _put(self._store, self._path, self._tag)
            except LOST:
                return
            except BaseError:  # the bucket did not answer; it is asked again
                continue

    def give_back(self) -> None:
        """Delete the object, unless another one took the lock over while this process was stopped."""
        with suppress(*LOST):
            _put(self._store, self._path, self._tag)
            obstore.delete(self._store, self._path)


def _acquired(store: S3Store, path: str, seconds: float) -> str:
    """Take the lock; returns the tag of what was written."""
    seen, since, pause = "", 0.0, Event()
    while True:
        with suppress(AlreadyExistsError):
            return _put(store, path)
        tag = _tag(store, path)
        if not tag or tag != seen:
            seen, since = tag, time.monotonic()
        elif time.monotonic() - since > seconds:
            with suppress(*LOST):  # another one was quicker
                return _put(store, path, tag)
        pause.wait(POLL)


def _tag(store: S3Store, path: str) -> str:
    try:
        return str(obstore.head(store, path)["e_tag"])
    except FileNotFoundError:
        return ""


def _put(store: S3Store, path: str, tag: str = "") -> str:
    """Write the lock if it still has a tag, or if it is not there; returns its new tag, which it never had before."""
    content = f"{socket.gethostname()} {os.getpid()} {uuid4()}".encode()
    return str(obstore.put(store, path, content, mode={"e_tag": tag} if tag else "create")["e_tag"])
