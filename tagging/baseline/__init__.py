"""Two baselines that the networks must beat: gradient-boosted trees on hand-made features, and a small network on mel statistics.

Book: ``book/glossary``.
"""
