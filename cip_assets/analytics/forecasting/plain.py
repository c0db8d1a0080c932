"""Models as plain JSON values and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any


def to_plain(model: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON values: strings, numbers, lists, null."""
    # Passing through JSON turns tuples into lists, and fails on nan, which JSON does not have.
    result: dict[str, Any] = json.loads(json.dumps(asdict(model), allow_nan=False))
    return result


def of_plain(kind: type[Any], plain: Mapping[str, Any]) -> Any:
    """The inverse of ``to_plain`` for a dataclass of numbers, texts and tuples.

    Raises:
        ValueError: a field is missing or unknown.

    """
    names = {field.name for field in fields(kind)}
    if wrong := sorted(names ^ plain.keys()):
        raise ValueError(f"not a {kind.__name__}: {wrong[0]!r} is missing or unknown")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})
