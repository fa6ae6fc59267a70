"""For the pages of the book only: run records, published tables, audio players, song cards, exercises."""
