"""A lock in a bucket: one object per lock, which each holder replaces only as it last saw it.

A holder writes the object again and again while it holds the lock. If nobody has for ``SECONDS``, the holder was
killed, and whoever waits takes the lock over. No clocks of several machines are compared. A holder that was stopped and
goes on later does no harm: Delta's commits are made by the same kind of conditional write.
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

FREE = b"free"


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
        with suppress(PreconditionError):  # it was taken over while this process was stopped
            held.write(FREE)


class _Held:
    """A lock that this process holds."""

    def __init__(self, store: S3Store, path: str, tag: str) -> None:
        self._store, self._path, self._tag = store, path, tag

    def write(self, state: bytes) -> None:
        self._tag = _put(self._store, self._path, state, self._tag)

    def keep(self, ended: Event, every: float) -> None:
        """Say that this process is alive, until it has ended or lost the lock."""
        while not ended.wait(every):
            try:
                self.write(_name())
            except PreconditionError:
                return
            except BaseError:  # the bucket did not answer; it is asked again
                continue


def _acquired(store: S3Store, path: str, seconds: float) -> str:
    """Take the lock; returns the tag of what was written."""
    seen, since, pause = "", 0.0, Event()
    while True:
        state, tag = _get(store, path)
        if tag != seen:
            seen, since = tag, time.monotonic()
        if not tag or state.startswith(FREE) or time.monotonic() - since > seconds:
            with suppress(AlreadyExistsError, PreconditionError):  # another one was quicker
                return _put(store, path, _name(), tag)
        else:
            pause.wait(POLL)


def _get(store: S3Store, path: str) -> tuple[bytes, str]:
    """The state of a lock and its tag; both empty if nobody ever held it."""
    try:
        found = obstore.get(store, path)
    except FileNotFoundError:
        return b"", ""
    return bytes(found.bytes()), str(found.meta["e_tag"])


def _put(store: S3Store, path: str, state: bytes, tag: str) -> str:
    """Write a state if the lock still has a tag, or if there is none yet. Each state differs, and so does its tag."""
    unique = state + b" " + uuid4().bytes
    result = obstore.put(store, path, unique, mode={"e_tag": tag} if tag else "create")
    return str(result["e_tag"])


def _name() -> bytes:
    return f"held by {socket.gethostname()} {os.getpid()}".encode()
