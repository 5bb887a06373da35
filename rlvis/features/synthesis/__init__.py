"""Images that a network answers to most: synthesized from nothing, or dreamt into a picture."""
