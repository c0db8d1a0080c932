"""Landing files: finding them, reading them, and comparing them with the tables.

``discover`` finds the files, ``csv_lines`` and ``csv_records`` parse one file, and ``landing`` scans and reads files in
the engine. ``in_step`` finds what is out of date, ``deliveries`` refuses unlikely full deliveries, and ``conflicts``
finds different lines with the same id.
"""
