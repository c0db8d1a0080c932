"""What a check looks at, told in its evaluation: what is written later is not yet checked (``due/up_to_date.py``)."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.storage.files import hash_file
from cip_assets.storage.inputs import Read, entries, newest_if_any


def seen_by(
    context: dg.AssetCheckExecutionContext, settings: Settings
) -> Mapping[dg.AssetCheckKey, dict[str, Any]]:
    """What each check of a step looks at. A check asks before it looks, so that nothing newer is taken as seen."""
    specs = [spec for spec in context.check_specs if spec.key in context.selected_asset_check_keys]
    looks_at = {
        spec.key: [spec.asset_key, *(dep.asset_key for dep in spec.additional_deps)] for spec in specs
    }
    now = dict(_now(settings, {key for keys in looks_at.values() for key in keys}))
    return {check: _told(now, keys) for check, keys in looks_at.items()}


def seen_by_only(context: dg.AssetCheckExecutionContext, settings: Settings) -> dict[str, Any]:
    """The same for the only check of a step."""
    (seen,) = seen_by(context, settings).values()
    return seen


def seen_of(settings: Settings, keys: Collection[dg.AssetKey]) -> dict[str, Any]:
    """The same for a check that looks at some tables or files."""
    return _told(dict(_now(settings, keys)), keys)


def _told(now: Mapping[dg.AssetKey, Read], keys: Iterable[dg.AssetKey]) -> dict[str, Any]:
    return entries({key.to_user_string(): now[key] for key in keys if key in now})


def _now(settings: Settings, keys: Collection[dg.AssetKey]) -> Iterator[tuple[dg.AssetKey, Read]]:
    for key in keys:
        layer, name = key.path
        if layer == "exports":
            path = settings.final / f"{name}.csv"
            if path.is_file():
                yield key, Read(0, hash_file(path)[1])
        elif read := newest_if_any(settings.table_uri(layer, name)):
            yield key, read
