"""The names of the jobs, for modules that request runs."""

SCAN = "scan_landing"
INGEST = "ingest"
SNAPSHOT = "snapshot"
SNAPSHOT_DAYS = "snapshot_days"
VALIDATE = "validate_exports"
REFRESH = "refresh"
RESTORE = "restore_table"
MAINTENANCE = "maintenance"
REPLAY = "replay_quarantine"

REFRESH_OP = "ingest_then_snapshot"
"""The only op of the job refresh, which is named in the job's configuration."""
