"""The Dagster assets: thin wiring, a module per layer.

An asset is partitioned like its contract, takes its inputs, and calls one transform. What a table means is in
``transforms``, what it looks like and comes from in ``contracts``, where it lies in ``io``.
"""

from typing import cast

import dagster as dg

from cip_assets.orchestration.assets import cleaned, exports, features, landing, marts, raw

ASSETS = cast(
    "list[dg.AssetsDefinition]",
    dg.with_source_code_references(
        [
            *landing.ASSETS,
            *raw.ASSETS,
            *cleaned.ASSETS,
            *features.ASSETS,
            *marts.ASSETS,
            *exports.ASSETS,
        ]
    ),
)
"""Every asset, with links to the code that defines and computes it."""

__all__ = ["ASSETS"]
