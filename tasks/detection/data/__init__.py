"""Batches for detection."""
