"""Many images under one interface: folders, arrays, recordings; their labels and metadata."""
