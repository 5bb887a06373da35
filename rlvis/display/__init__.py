"""Drawing: colours and type, heatmaps over pictures, pages, films as files.

It knows pictures and numbers, no models and no results: each room draws its own results with it.
May import: images, and what everything may use.
"""
