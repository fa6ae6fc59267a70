"""Taggers and their parts: front-ends, back-ends, heads, and what puts them together."""
