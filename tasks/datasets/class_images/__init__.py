"""Data sets of image classification: where the images are, and which class each is of."""
