"""Wrappers that make a model faster and leave its results as they are."""
