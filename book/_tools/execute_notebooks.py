"""Execute the book's notebooks, several at once, into the cache that the build reads.

    python book/_tools/execute_notebooks.py _build/.jupyter_cache

Each notebook runs in an empty folder and must leave it empty. A notebook runs again only if its code, the package or an
installed library has changed. If one fails, the others still run; the script then exits with 1 and lists the problems.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from nbclient.exceptions import DeadKernelError

BOOK = Path(__file__).parents[1]
sys.path.insert(0, str(BOOK / "_ext"))
from book_frame import refresh  # noqa: E402 - found only now

# What takes over half a minute begins first: a long notebook that began last would run alone.
LONGEST = (
    "recipe", "backends", "training_loop", "spectrogram_frontends", "waveform_frontends", "your_own_folder", "baseline",
    "what_goes_in",
)  # fmt: skip
SETTINGS = yaml.safe_load(BOOK.with_name("_config.yml").read_text(encoding="utf-8"))["execute"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", help="folder of the executed notebooks")
    # a notebook takes a core and up to 3 GiB
    jobs = min(4, os.cpu_count() or 1)
    parser.add_argument("--jobs", type=int, default=jobs, help="notebooks at once (default here: %(default)s)")
    parser.add_argument("notebooks", nargs="*", type=Path, help="(default: all of the book)")
    options = parser.parse_intermixed_args()
    refresh(Path(options.cache))
    cache = get_cache(options.cache)
    waiting = [path for path in options.notebooks or longest_first() if not is_executed(path, cache)]
    failed, before = [], visible(BOOK.parent)
    if len(waiting) > 1:
        compile_librosa()
    with ThreadPoolExecutor(options.jobs) as pool:  # of threads: the work is done by the kernels
        running = {pool.submit(execute, path): path for path in waiting}
        for done, future in enumerate(as_completed(running), 1):
            path, (result, left_behind) = running[future], future.result()
            problem = result.exc_string or left_behind
            print(f"{done}/{len(waiting)}  {path.name}  {result.time:.0f} s{'  failed' * bool(problem)}", flush=True)
            if problem:
                failed.append(f"{path.name}\n{problem}")
            else:
                bundle = CacheBundleIn(result.nb, str(path), data={"execution_seconds": result.time})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    if added := visible(BOOK.parent) - before:
        failed.append(f"notebooks leave files in the repository: {', '.join(sorted(added))}")
    if failed:
        sys.exit("\n\n".join(failed))


def compile_librosa() -> None:
    """Compile what librosa compiles at first use, into numba's cache.

    Two kernels of a fresh installation that compile it at once write the same cache, and one of them may crash.
    """
    print("librosa is compiled, which takes up to a minute in a fresh installation", flush=True)
    use = "import librosa as l, numpy; sound = numpy.random.rand(66150); l.feature.tonnetz(y=sound); l.istft(l.stft(sound))"
    if subprocess.run([sys.executable, "-c", use], check=False, env={**os.environ, "EAGER_IMPORT": "1"}).returncode:
        print("librosa could not be compiled beforehand; notebooks that use it may fail", flush=True)


def longest_first() -> list[Path]:
    """The notebooks of the book, those that take long first."""
    order = {name: number for number, name in enumerate(LONGEST)}
    return sorted(BOOK.glob("*.ipynb"), key=lambda path: (order.get(path.stem, len(order)), path.stem))


def is_executed(path: Path, cache: JupyterCacheAbstract) -> bool:
    try:
        cache.match_cache_file(str(path))
    except KeyError:
        return False
    return True


def execute(path: Path) -> tuple[ExecutionResult, str]:
    """The executed notebook, and the problem with its folder afterwards or an empty text."""
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        try:
            result = single_nb_execution(notebook, cwd=folder, timeout=SETTINGS["timeout"], allow_errors=False)
        except DeadKernelError as error:
            result = ExecutionResult(notebook, folder, 0, error, str(error))
        names = visible(Path(folder))
    return result, f"it leaves files behind: {', '.join(sorted(names))}" if names else ""


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


if __name__ == "__main__":
    main()
