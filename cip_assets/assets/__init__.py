"""The Dagster assets: thin wiring, a module per layer.

An asset says what it depends on and how it is partitioned, and calls one transform. What a table means is
in ``transforms``, what it looks like in ``contracts``, where it lies in ``io``.
"""

from cip_assets.assets import cleaned, exports, features, landing, marts, raw

ASSETS = [
    *landing.ASSETS,
    *raw.ASSETS,
    *cleaned.ASSETS,
    *features.ASSETS,
    *marts.ASSETS,
    *exports.ASSETS,
]

__all__ = ["ASSETS"]
