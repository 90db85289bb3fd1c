"""Task heads trained on backbone features: detection, and the engine that trains them."""
