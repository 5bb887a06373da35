"""Pictures as uint8 arrays and tensors, and their way to a network's input.

May import: what everything may use (errors, files, options).
"""

from rlvis.images.loading import Images, as_images, load_image

__all__ = ["Images", "as_images", "load_image"]
