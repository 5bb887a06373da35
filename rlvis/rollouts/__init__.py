"""Everything that happens in time: environments, episodes, recordings, films of them.

May import: attribution, instrument, models, display, images, and what everything may use.
"""
