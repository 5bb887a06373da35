"""Activations projected back to pixels (deconvnet, guided backpropagation)."""
