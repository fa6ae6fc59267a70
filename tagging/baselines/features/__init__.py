"""Hand-made features of a sound, for the trees."""
