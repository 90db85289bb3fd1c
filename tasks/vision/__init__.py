"""What tasks on images share: placement, padding, augmentation, backbone, pyramid."""
