"""The patches of an image set that excite each unit most."""
