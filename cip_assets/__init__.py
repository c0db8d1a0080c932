"""The Customer Intelligence Platform: landing files to a Customer 360, as one Dagster asset graph.

``contracts`` declare the tables, ``transforms`` compute them, ``assets`` and ``checks`` put them into
Dagster, ``io`` and ``engines`` reach disks and compute, ``automation`` says when, ``cli`` is for people.
"""

import warnings

import dagster as dg

# Backfill policies, mappings across grains and partitioned checks are not final in Dagster's words: the
# version is pinned, and tests cover each.
for not_final in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=not_final)
