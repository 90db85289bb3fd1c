"""Experiments that compare whole trainings; they may use several tasks."""
