"""Report of detections and instance masks."""
