"""Asset checks: what must hold before anything downstream may be believed.

``contract`` turns every contract into a check; ``conservation`` and ``integrity`` look across tables;
``presence`` looks for the newest month and day, ``exports`` at the files, ``predictions`` at what came of
predictions. A blocking check stops what is downstream; the others warn.
"""

from cip_assets.orchestration.checks import conservation, contract, exports, integrity, predictions, presence

CHECKS = [
    *contract.CHECKS,
    *conservation.CHECKS,
    *integrity.CHECKS,
    *presence.CHECKS,
    *predictions.CHECKS,
    *exports.CHECKS,
]

__all__ = ["CHECKS"]
