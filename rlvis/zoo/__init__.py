"""Image classifiers by name: EfficientNet-Lite0, a network for digits, torchvision's and timm's.

May import: models, images, and what everything may use.
"""
