"""The Customer Intelligence Platform: landing files to a Customer 360, as one Dagster asset graph.

``contracts`` declare the tables, ``transforms`` compute them, ``assets`` and ``checks`` put them into
Dagster, ``io`` and ``engines`` reach disks and compute, ``automation`` says when, ``cli`` is for people.
"""

import warnings

# Backfill policies, mappings across grains and partitioned checks are not final in Dagster's words: the
# version is pinned, and tests cover each. Known by their text, since Dagster takes longer to import than
# some commands take.
warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview), and may have breaking changes")
