"""Helpers that know nothing of music: files, names, processes, words, where a result comes from."""
