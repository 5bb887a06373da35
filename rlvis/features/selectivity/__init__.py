"""What the units of a layer tell apart: statistics, and the report of a layer."""
