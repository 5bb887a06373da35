"""What the units of layers do: their activations, and maps of a whole layer."""
