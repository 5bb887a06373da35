"""The commands of `rlvis features`, one file each.

What several take is a dataclass (`inputs`, `outputs`, `rlvis.cli.loading`). Each command names
those that it takes: that list is all that they repeat.
"""
