"""Images with the labels of their pixels, as batches."""
