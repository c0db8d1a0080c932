"""The jobs by name, for who asks for runs of them."""

SCAN = "scan_landing"
INGEST = "ingest"
SNAPSHOT = "snapshot"
VALIDATE = "validate_exports"
REFRESH = "refresh"
RESTORE = "restore_table"
MAINTENANCE = "maintenance"
REPLAY = "replay_quarantine"

REFRESH_OP = "ingest_then_snapshot"
"""The one op of the job refresh, which its configuration names."""
