"""The language in which tables are declared; no table is here.

``contract`` is what others may rely on, ``source`` a table that lands, ``table`` one that is computed, ``csv_file`` a
file of one. From a declaration follow the checks, Dagster's dependencies, column schema and lineage, the Delta schema,
the data dictionary and the Power BI model. Nothing here computes, and nothing imports Dagster.
"""
