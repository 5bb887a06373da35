"""The commands of `rlvis features`, one file each."""
