"""Asset checks: what must hold before anything downstream may be believed."""

CHECKS: list = []
