"""Class images as batches, for training and scoring."""
