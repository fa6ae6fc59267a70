"""The command `tagging bias`: what it prints and writes, from tables and from runs."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from PIL import Image

from tagging.book.runs import BUNDLED_RUNS, list_predictions
from tagging.cli import _parser, load_commands
from tagging.errors import ConfigError, TaggingError
from tagging.evaluation.predictions import Predictions, write_predictions
from tagging.tags import Tag, Vocabulary

NAMES = ("slow", "fast", "rock", "pop")


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    load_commands("bias")

    def run(*arguments):
        options = _parser().parse_args(["bias", *map(str, arguments)])
        with matplotlib.rc_context():
            return options.run(options)

    return run


@pytest.fixture
def example(tmp_path):
    random = np.random.default_rng(0)
    scores = random.uniform(size=(40, 4)).round(3)
    labels = (random.uniform(size=scores.shape) < scores).astype(int)
    for name, table in (("scores", scores), ("labels", labels)):
        rows = [",".join([f"song {n}", *map(str, row)]) for n, row in enumerate(table)]
        (tmp_path / f"{name}.csv").write_text("\n".join([",".join(["id", *NAMES]), *rows]))
    (tmp_path / "exclusive.json").write_text('{"pace": ["slow", "fast"]}')
    return scores, labels


def test_a_page_and_figures_from_tables(run, example, tmp_path, capsys):
    arguments = ["--labels", "labels.csv", "--exclusive", "exclusive.json", "--top-k", 2, "--output", "out/deep"]
    assert run("scores.csv", *arguments) == 0
    printed = capsys.readouterr().out
    page = (tmp_path / "out/deep/report.txt").read_text()
    assert "Tag bias of 4 classification tags on 40 songs" in page
    assert page.split("\nFigures\n")[0].strip() in printed
    pictures = sorted(path.name for path in (tmp_path / "out/deep").glob("*.png"))
    assert pictures == [
        "accuracy-by-popularity.png",
        "co-occurrence.png",
        "contradictions.png",
        "over-representation.png",
        "reliability.png",
    ]
    for name in pictures:
        with Image.open(tmp_path / "out/deep" / name) as picture:
            assert picture.width > 900
            assert f"{name}: {picture.info['Description']}" in page
    assert sorted(path.name for path in (tmp_path / "out/deep").iterdir()) == [
        *pictures,
        "report.txt",
    ]  # nothing half written
    assert "report.txt and 5 figures" in printed


def test_scores_alone(run, example, tmp_path, capsys):
    assert run("scores.csv", "--top-k", 2) == 0
    assert "Not measured" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "bias-report").iterdir()) == ["co-occurrence.png", "report.txt"]


def test_words_that_mean_the_same(run, example, tmp_path, capsys):
    scores, _ = example
    (tmp_path / "same.json").write_text('{"loud": ["rock", "pop"], "pace": ["slow", "fast"]}')
    assert run("scores.csv", "--synonyms", "same.json", "--top-k", 2) == 0
    printed = capsys.readouterr().out
    given = scores[:, 2:] >= 0.5
    share = (given[:, 0] ^ given[:, 1]).sum() / given.any(axis=1).sum()
    (block,) = printed.split("  rock + pop: rank correlation")[1:]
    assert float(block.splitlines()[2].split("only one assigned")[1].split()[0]) == pytest.approx(share, abs=0.0005)
    assert "slow + fast: rank correlation" in printed
    (tmp_path / "same.json").write_text('{"loud": ["rock", "popp"]}')
    with pytest.raises(ConfigError, match="same.json.*'loud'.*'popp'.*'pop'"):
        run("scores.csv", "--synonyms", "same.json", "--top-k", 2)


def test_a_run(run, example, tmp_path, capsys):
    scores, labels = example
    folder = tmp_path / "run"
    vocabulary = Vocabulary([Tag(name, exclusive_group="pace" if name in NAMES[:2] else None) for name in NAMES])
    predictions = Predictions(scores, vocabulary, labels, np.array([4, 3, 2, 1]), np.arange(40) // 2)
    write_predictions(folder / "predictions-test.npz", predictions)
    assert run("run", "--top-k", 2) == 0
    printed = capsys.readouterr().out
    assert "20 groups of songs resampled" in printed
    assert "frequency in training" in printed
    assert (folder / "bias" / "report.txt").exists()
    with pytest.raises(ConfigError, match="--labels and --exclusive"):
        run("run", "--labels", "labels.csv")


def test_a_file_of_predictions(run, tmp_path, capsys):
    path = BUNDLED_RUNS / "predictions" / f"{list_predictions()[0]}-test.npz"
    assert run(path, "--output", tmp_path / "there", "--resamples", 20) == 0
    assert "on 2000 songs" in capsys.readouterr().out
    assert (tmp_path / "there" / "report.txt").exists()


def test_errors_reach_the_user(run, example):
    with pytest.raises(ConfigError, match="top_k=4.*1 to 3"):
        run("scores.csv", "--top-k", 4)
    with pytest.raises(TaggingError, match="no-such-run"):
        run("no-such-run")
    with pytest.raises(ConfigError, match="labels.csv: every score is 0 or 1, like labels"):
        run("labels.csv", "--labels", "labels.csv")
    with pytest.raises(ConfigError, match="scores.csv.*is not a label"):
        run("scores.csv", "--labels", "scores.csv")


@pytest.mark.parametrize(("num_tags", "top_k"), [(2, 1), (3, 1), (10, 5), (19, 9), (20, 10), (50, 10)])
def test_the_length_of_lists_follows_the_tags(run, tmp_path, capsys, num_tags, top_k):
    """GTZAN has ten genres, for which a list of ten would be all of them."""
    tags = [f"tag {tag}" for tag in range(num_tags)]
    rows = [
        ",".join([f"s{song}", *map(str, row)])
        for song, row in enumerate(np.random.default_rng(0).random((9, num_tags)))
    ]
    (tmp_path / "scores.csv").write_text("\n".join([",".join(["", *tags]), *rows]))
    assert run("scores.csv", "--resamples", 20) == 0
    assert f"Do popular tags win the top {top_k}?" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["scores.csv", "scores.csv/below"])
def test_an_output_that_is_a_file_is_refused_before_the_work(run, example, tmp_path, output, capsys):
    before = (tmp_path / "scores.csv").read_bytes()
    with pytest.raises(ConfigError, match=f"--output {output}: .*scores.csv is a file"):
        run("scores.csv", "--output", output)
    assert capsys.readouterr().out == ""
    assert (tmp_path / "scores.csv").read_bytes() == before


def test_headers_of_others_reach_no_terminal(run, tmp_path, capsys):
    tags = ["\x1b[2Jclear", '"two\nlines"', "\u202eright", "\udcc3\udca9".encode("utf-8", "surrogateescape").decode()]
    rows = [",".join([f"s{song}", *map(str, row)]) for song, row in enumerate(np.random.default_rng(0).random((9, 4)))]
    (tmp_path / "scores.csv").write_text("\n".join([",".join(["id", *tags]), *rows]), encoding="utf-8")
    (tmp_path / "labels.csv").write_text(
        "\n".join([",".join(["id", *tags]), *(f"s{n},{n % 2},0,1,1" for n in range(9))])
    )
    (tmp_path / "groups.json").write_text('{"g\\u001b": ["\\u001b[2Jclear", "\\u202eright"]}')
    assert run("scores.csv", "--labels", "labels.csv", "--exclusive", "groups.json", "--resamples", 20) == 0
    for page in (capsys.readouterr().out, (tmp_path / "bias-report" / "report.txt").read_text()):
        assert [line for line in page.split("\n") if not line.isprintable()] == []
        assert "\\x1b[2Jclear" in page
        assert "two\\nlines" in page
