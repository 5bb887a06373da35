"""What each element of a network's tensors depends on, traced through the operations of a pass."""
