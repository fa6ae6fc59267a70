"""What exists for the pages of the book only: run records, published tables, players, song cards, exercises."""
