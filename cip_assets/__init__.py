"""The Customer Intelligence Platform: landing files to a Customer 360, as one Dagster asset graph.

``contracts`` declare the tables, ``transforms`` compute them, ``assets`` and ``checks`` put them into
Dagster, ``io`` and ``engines`` reach disks and compute, ``automation`` says when, ``cli`` is for people.
"""

import warnings

import dagster as dg

# Two Dagster features this project stands on are marked beta: the version is pinned, and tests cover both.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
