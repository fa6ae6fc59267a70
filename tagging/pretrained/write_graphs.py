"""``python -m tagging.pretrained.write_graphs``: write the graphs of the pretrained taggers without their weights.

To be run when an architecture, the exporter or the format of its files changes; a test compares the scores.
"""

from __future__ import annotations

from ..models.onnx.container import DESCRIPTION, emptied, metadata, with_metadata
from ..models.onnx.export import onnx_bytes
from ..models.tagger import Tagger
from ..utils.files import atomic_write
from . import musicnn
from .bundled import bundled_path, graph_of, list_bundled
from .graphs import FOLDER


def graph_without_weights(tagger: Tagger) -> bytes:
    """The exported file of a tagger without the weights of its ``state_dict``."""
    tagger.card = {}
    model = onnx_bytes(tagger)
    return with_metadata(emptied(model, set(tagger.state_dict())), metadata(model)[DESCRIPTION])


def main() -> None:
    """Write all of them."""
    taggers = {kind: musicnn.build(kind, [f"tag{index}" for index in range(50)]) for kind in musicnn.ARCHITECTURES}
    taggers |= {graph_of(name): Tagger.load(bundled_path(name)) for name in list_bundled()}
    for kind, tagger in taggers.items():
        with atomic_write(FOLDER / f"{kind}.onnx") as part:
            part.write_bytes(graph_without_weights(tagger))
        print(f"{kind}: {(FOLDER / f'{kind}.onnx').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
