"""The object to inspect: a network that takes an image and gives named scores.

`ImageModel` and `Policy`, what their scores make up (distributions), what of them is explained
(targets), and the private copies in which they run.

May import: images, and what everything may use.
"""
