"""A folder of songs becomes a table of tags and embeddings, which can be searched. Book: ``book/tag_library``."""

from .run import LibraryReport, Progress, tag_library
from .search import Match, search, similar
from .table import LibraryTable

__all__ = ["LibraryReport", "LibraryTable", "Match", "Progress", "search", "similar", "tag_library"]
