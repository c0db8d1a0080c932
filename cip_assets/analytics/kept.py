"""Results that are kept from one run to the next and found by what they were computed from.

A purchase of today does not change what could be learned three months ago. So most fits of a backtest were made before,
from the same numbers. As the key is those numbers, a kept result is the one that would be computed now.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kept:
    """Results of pure functions, as JSON values. ``used`` has those that were asked for; the others are not kept on.

    Args:
        before: the ``used`` of an earlier run with the same code.

    """

    def __init__(self, before: Mapping[str, Any] = NOTHING) -> None:
        self._before = dict(before)
        self.used: dict[str, Any] = {}

    def made(self, name: str, computed_from: object, make: Callable[[], Any]) -> Any:
        """A result, which is made unless it was made from the same before. It has gone through JSON either way.

        Args:
            name: of the function.
            computed_from: its arguments: arrays, numbers and texts, in sequences and mappings.
            make: computes the result, of which JSON keeps every digit.

        """
        key = f"{name} {_digest(computed_from)}"
        if key not in self.used:
            self.used[key] = self._before[key] if key in self._before else json.loads(json.dumps(make()))
        return self.used[key]


def _digest(value: object) -> str:
    found = hashlib.sha256()
    _add(found, value)
    return found.hexdigest()


def _add(found: Any, value: object) -> None:
    """Add a value to a hash, with its kind and size, so that no two values look the same."""
    if isinstance(value, np.ndarray):
        found.update(f"array {value.dtype.str} {value.shape} ".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        _add(found, [*value.items()])
    elif isinstance(value, list | tuple):
        found.update(f"{len(value)} values ".encode())
        for each in value:
            _add(found, each)
    elif value is None or isinstance(value, str | int | float):
        found.update(f"{value!r} ".encode())
    else:
        raise TypeError(f"{type(value).__name__} is not a value to compute from")
