"""``tagging sweep``: one run for each learning rate, and which of them validates best. Book: ``book/recipe``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .base import OK, Run, command, number
from .terminal import show
from .train import add_train_arguments, settings_of

RATES = (0.001, 0.002, 0.004, 0.008, 0.016)


@command(
    "sweep",
    help="train with several learning rates, and compare them on the validation split",
    description="Train with each learning rate and compare the best validation scores. Finished runs are only read, and a run "
    "that was stopped resumes, when the same command is given again. The test split chooses nothing.",
)
def sweep(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging sweep``: those of ``tagging train``, and the rates."""
    add_train_arguments(parser)
    parser.add_argument(
        "--rates",
        nargs="+",
        type=number(1e-9, 100),
        default=RATES,
        metavar="RATE",
        help="(default: 0.001 doubled up to 0.016)",
    )
    return _sweep


def _sweep(options: argparse.Namespace) -> int:
    from ..training.baselines import WHOLE_TRACK_BASELINES
    from ..training.loop import train
    from ..training.run_names import run_name

    if len(set(options.rates)) < len(options.rates):
        raise ConfigError(f"--rates {' '.join(map(str, options.rates))}: give each once")
    settings = settings_of(options)
    if fitted := [model for model in settings.models if model in WHOLE_TRACK_BASELINES]:
        raise ConfigError(f"{fitted[0]} has no learning rate; leave it out")
    name = f"sweep-{run_name(settings, '+'.join(settings.models).replace(':', '+'))}"
    folder = Path(options.output or Path("runs") / name)
    runs = [settings.override({"optimization.learning_rate": rate}) for rate in sorted(options.rates)]
    best: dict[str, tuple[float, float]] = {}
    rows = []
    for run in runs:
        rate = run.optimization.learning_rate
        show(f"learning rate {rate:g}")
        records = train(
            run, folder / f"rate-{rate:g}", cpu_only=options.cpu, progress=not options.quiet, minutes=options.minutes
        )
        if not records:
            return OK  # out of time; it has said that the same command resumes
        for record in records:
            score = record["best"]["validation"]
            rows.append(
                f"{record['model']:<30} {rate:<8g} {score:.4f} after {record['best']['step']} of {record['num_steps']} steps"
            )
            best[record["model"]] = max(best.get(record["model"], (float("-inf"), 0.0)), (score, rate))
    show("", f"{'model':<30} {'rate':<8} best validation score", *sorted(rows))
    for model, (score, rate) in best.items():
        remark = (
            ", which is the end of the range: try further" if rate in (min(options.rates), max(options.rates)) else ""
        )
        show(f"{model}: best at {rate:g} ({score:.4f}){remark}")
    return OK
