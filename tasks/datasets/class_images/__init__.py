"""Data sets of image classification: the places of the images, and their classes."""
