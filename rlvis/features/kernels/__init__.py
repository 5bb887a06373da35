"""The kernels of convolutions, and what a kernel does to an image."""
