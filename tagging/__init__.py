"""Music tagging at scale: taggers, their parts, data, training, evaluation, and the results of the book.

>>> import tagging
>>> result = tagging.load_tagger("msd-musicnn").tag("song.mp3")   # doctest: +SKIP
>>> result.top(5)                                                 # doctest: +SKIP

``__init__.pyi`` lists the public names. Each is imported at first use: ``import tagging`` loads neither PyTorch nor NumPy.
"""

from typing import Any

import lazy_loader

from .version import __version__ as __version__

_attached, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    try:
        return _attached(name)
    except ModuleNotFoundError as error:
        from .utils.extras import missing_package

        raise missing_package(error) or error from None
