"""How a network is looked into without touching it: layers, gradients of ReLUs, attention.

May import: models, images, and what everything may use.
"""
