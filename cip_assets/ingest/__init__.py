"""Landing files: finding them, reading them, and comparing them with the tables.

``discover`` finds the files, and ``csv_lines`` and ``csv_records`` parse one file. ``manifest`` scans the files and
``read`` reads them, in the engine's ``tasks``; ``calendar`` has the months of their rows. ``in_step`` finds what is out
of date, ``deliveries`` refuses unlikely full deliveries, and ``conflicts`` finds different lines with the same id.
"""
