"""Models from wherever they come: by name, from files, or from code of the user's own.

`source` says what is told of a model, `readers` has one entry per form in which models come.
May import: models, images, and what everything may use.
"""
