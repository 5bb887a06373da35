"""Codes of a layer, and their map in the plane (t-SNE, principal components)."""
