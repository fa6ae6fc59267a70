"""Sound files and spectrograms: how a file becomes float32 mono samples, and samples a log-mel spectrogram."""
