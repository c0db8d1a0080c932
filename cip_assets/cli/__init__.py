"""`cip`: the platform on the command line. It runs everything through Dagster and shows the results."""
