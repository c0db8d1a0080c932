"""Values that tables contain in place of a missing name, segment or model."""

UNKNOWN = "Unknown"
"""An unknown text."""

NO_PURCHASE = "No purchase"
"""The segment of a customer without a purchase."""

NOT_YET = "Not yet a customer"
"""The earlier segment of a customer who signed up later."""

WITHHELD = "withheld"
"""The model name if the predictions are withheld."""

GUEST = "Guest"
"""The place of guest orders where others have a segment."""
