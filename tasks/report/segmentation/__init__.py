"""Report of labels of every pixel."""
