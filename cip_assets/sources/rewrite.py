"""Writes ``sources.yaml``: anew, or again as a person left it, with the comments and whatever did not change."""

from collections.abc import Iterable
from io import StringIO
from typing import Any

import yaml
from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, Sources

WIDTH = 110


def written(sources: Sources) -> str:
    """The text of ``sources.yaml`` without comments."""
    content = sources.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)


class _Dumper(yaml.SafeDumper):
    """Writes lists of texts on one line."""

    def represent_list(self, data: Iterable[Any]) -> yaml.SequenceNode:
        is_short = all(isinstance(each, str) for each in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=is_short)


_Dumper.add_representer(list, _Dumper.represent_list)


def rewritten(text: str, before: Sources, after: Sources) -> str:
    """A text of ``sources.yaml`` with what is new in it.

    What did not change stays as it is written: comments, quotes, the order of the keys, and what is the default anyway.

    Args:
        text: the file as it is.
        before: what it says.
        after: what it is to say.

    Raises:
        PlatformError: the file names a key twice.

    """
    if before == after:
        return text
    # PyYAML writes what is new, and reads all of it later: the two differ on texts such as no and 12:30.
    round_trip = YAML()
    round_trip.preserve_quotes = True
    round_trip.width = WIDTH
    try:
        node = _changed(round_trip.load(text), before, after, round_trip.load(written(after)))
    except YAMLError as error:
        raise PlatformError(f"{FILE} cannot be written again: {' '.join(str(error).split())}") from error
    stream = StringIO()
    round_trip.dump(node, stream)
    return stream.getvalue()


def _changed(node: Any, before: Any, after: Any, new: Any) -> Any:
    """What a file has in a place, with what changed there.

    Args:
        node: what the file has there.
        before: what that says.
        after: what it is to say.
        new: ``after`` as it would be written in a new file.

    """
    if before == after:
        return node
    if isinstance(after, BaseModel) and isinstance(node, dict):
        for name, field in type(after).model_fields.items():
            key, old, wanted = field.alias or name, getattr(before, name), getattr(after, name)
            if old != wanted and key in new:
                node[key] = _changed(node.get(key), old, wanted, new[key])
            elif old != wanted:
                node.pop(key, None)
        return node
    if isinstance(after, tuple) and isinstance(node, list) and len(node) == len(before) <= len(after):
        for place, each in enumerate(new):
            if place < len(node):
                node[place] = _changed(node[place], before[place], after[place], each)
            else:
                node.append(each)
        return node
    return new
