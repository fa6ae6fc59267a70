"""Training at every scale: one loop from a laptop to many machines. Book: ``book/recipe``."""

import lazy_loader

# the command line reads the settings of every edition, and should not load torch for it
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "settings": ["EDITIONS", "Settings", "edition"],
        "loop": ["train"],
        "run": ["TrainingError"],
        "losses": ["LOSSES", "tag_loss"],
        "baselines": ["BASELINES", "WHOLE_TRACK_BASELINES", "list_baselines"],
    },
)
