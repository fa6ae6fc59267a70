"""Files of npm packages, kept in the user's cache and checked by SHA-256; none of them is in the repository."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from sphinx.errors import ConfigError


def npm_files(package: str, sums: dict[str, str]) -> dict[str, Path]:
    """Files of a package: path in it -> path in the cache; fetched once.

    Args:
        package: name and version, such as ``axe-core@4.14.0``.
        sums: path in the package -> SHA-256.

    Raises:
        ConfigError: npm is missing or fails, or a file is not the published one.
    """
    from tagging.utils.files import atomic_write, cache_dir, locked

    folder = cache_dir("browser") / package
    files = {name: folder / Path(name).name for name in sums}

    def wrong() -> list[str]:
        return [name for name, path in files.items() if not (path.is_file() and _sum(path.read_bytes()) == sums[name])]

    with locked(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if wrong():
            for name, content in _fetched(package, list(sums)).items():
                with atomic_write(files[name]) as part:
                    part.write_bytes(content)
    if names := wrong():
        raise ConfigError(f"{package}: {', '.join(names)} is not the published file; empty {folder} and build again")
    return files


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fetched(package: str, names: list[str]) -> dict[str, bytes]:
    if (npm := shutil.which("npm")) is None:
        raise ConfigError(f"npm, which comes with Node.js, is needed once, to fetch {package}")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", package, "--silent"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if result.returncode or not archives:
            raise ConfigError(f"npm cannot fetch {package}: {(result.stderr or result.stdout).strip()[-300:]}")
        with tarfile.open(archives[0]) as archive:
            members = {name: archive.extractfile(f"package/{name}") for name in names}
            return {name: member.read() for name, member in members.items() if member}
