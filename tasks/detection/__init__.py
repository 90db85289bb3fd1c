"""Object detection: Faster R-CNN with a feature pyramid, on COCO-style data."""
