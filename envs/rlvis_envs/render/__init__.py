"""Drawing the world with OpenGL: the camera's image, the view from above."""
