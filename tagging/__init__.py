"""Music tagging at scale: taggers, their parts, their data, and the measurements of the book.

>>> import tagging
>>> result = tagging.load_tagger("msd-musicnn").tag("song.mp3")   # doctest: +SKIP
>>> result.top(5)                                                 # doctest: +SKIP

The public names are those of ``__init__.pyi``. They are imported when they are first used, so that ``import tagging`` loads
neither PyTorch nor NumPy.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
