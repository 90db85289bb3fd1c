"""Networks that give every pixel a class, and large images in windows."""
