"""Helpers that know nothing of music: files, registries, worker processes, text, provenance."""
