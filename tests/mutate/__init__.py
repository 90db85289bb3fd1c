"""Damage drawn by seed: to COCO documents, to texts, to image files, and to folders of them.

Every mutation is a function of what is damaged and a `random.Random`, and returns the damaged one.
"""
