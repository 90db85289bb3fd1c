"""Report of classes of images."""
