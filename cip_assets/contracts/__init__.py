"""The means of declaring tables. No table is declared here.

``contract`` declares columns, key and rules, ``source`` a source table, ``table`` a computed table, and ``csv_file`` an
export. The checks, Dagster's dependencies, column schema and lineage, the Delta schema, the data dictionary and the
Power BI model follow from a declaration. Nothing here computes data, and nothing imports Dagster.
"""
