"""The training engine: settings, distribution, precision, optimisers, checkpoints and the loop.
Knows no task.
"""
