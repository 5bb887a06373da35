"""What the units of layers do: maps of units, one pass over an image set that keeps the top k."""
