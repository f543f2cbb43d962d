"""The manifest of a prepared store, sealed with its checksum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MANIFEST = "store.json"
VERSION = 1


class DamagedError(RuntimeError):
    """A file of a store does not contain what was written to it."""


def read_manifest(folder: Path) -> dict | None:
    """Return the manifest of a store, or None if there is none.

    Raises:
        DamagedError: if it is damaged.
        ValueError: if it is of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest = unseal(path)
    if (manifest["version"], manifest["dtype"]) != (VERSION, "int16"):
        raise ValueError(
            f"{path} is of version {manifest['version']} in {manifest['dtype']}, while this tfsep reads {VERSION} in "
            "int16. Prepare the store again in another folder."
        )
    return manifest


def seal(facts: dict) -> str:
    """Return facts as JSON that begins with the SHA-256 of the rest: a changed digit would still be valid JSON."""
    rest = json.dumps(facts)[1:]
    return f"{_seal_of(rest)}{rest}"


def unseal(path: Path) -> dict:
    """Read facts that `seal` wrote; raise DamagedError if they have changed."""
    text = path.read_text(encoding="utf-8", errors="replace")
    head, comma, rest = text.partition(", ")
    if head + comma != _seal_of(rest):
        raise DamagedError(f"{path} is damaged: its content does not fit its checksum. Run `tfsep prepare` again.")
    return json.loads("{" + rest)


def _seal_of(rest: str) -> str:
    return f'{{"seal": "{hashlib.sha256(rest.encode()).hexdigest()}", '


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    content = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            content.update(chunk)
    return content.hexdigest()
