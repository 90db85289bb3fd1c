"""COCO's JSON formats."""
