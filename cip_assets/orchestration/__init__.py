"""When things run: partitions, jobs, and how a run is asked for. What runs is in ``assets``."""
