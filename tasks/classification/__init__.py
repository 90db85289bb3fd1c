"""Image classification: the weights that detectors and segmenters start from."""
