"""Asset checks: what must hold before anything downstream may be believed.

``contract`` turns every contract into a check; ``conservation`` and ``integrity`` look across tables;
``exports`` looks at the files. A blocking check stops what is downstream; the others warn.
"""

from cip_assets.checks import conservation, contract, exports, integrity

CHECKS = [*contract.CHECKS, *conservation.CHECKS, *integrity.CHECKS, *exports.CHECKS]

__all__ = ["CHECKS"]
