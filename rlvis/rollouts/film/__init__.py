"""A recording as a film: where things stand in a frame, and how each part is drawn."""
