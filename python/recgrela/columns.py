"""The columns of a table of events."""

ROLES = ("user", "item", "time")
NAMES = ("user_id", "item_id", "timestamp")  # default, in the order of ROLES
