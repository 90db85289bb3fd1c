"""Other formats as COCO's."""
