"""Asset checks: what must hold before anything downstream may be believed.

A blocking check stops what is downstream; the others warn. ``sources`` has those of the tables that land.
"""
