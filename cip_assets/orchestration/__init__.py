"""The platform in Dagster: assets, checks, partitions, jobs, sensors, schedules and runs."""
