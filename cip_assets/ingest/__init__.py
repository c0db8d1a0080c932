"""Everything that touches a disk: landing files in, Delta tables, CSV files out.

``csv_records`` parses landing files, ``landing`` finds, scans and reads them in the engine,
``delta`` writes and reads Delta tables, ``manager`` is Dagster's IO manager over it,
``exports`` streams Delta tables to CSV. What a table means is none of this package's business.
"""
