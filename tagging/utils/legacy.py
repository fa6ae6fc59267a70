"""Names that files made by earlier versions hold, and what they are called now."""

from __future__ import annotations

# Settings that came later than the first records, as these, which do not name them, were made.
BEFORE = {"loss": "plain", "onednn": False, "trees": {}}
