"""`cip`: the platform on the command line. It asks Dagster for everything and shows what came of it."""
