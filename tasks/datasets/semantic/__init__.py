"""Images with a class for every pixel: COCO's kinds of annotation, and folders of masks."""
