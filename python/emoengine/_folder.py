"""A folder of results: local, or of a bucket through fsspec."""

from __future__ import annotations

import os
import posixpath
import secrets
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


def is_url(path: str) -> bool:
    return "://" in path


def resolve(path: str, base: str) -> str:
    """A manifest's path: as it is when it is a URL or absolute, else from the folder `base`."""
    return path if is_url(path) or path.startswith("/") else posixpath.join(base, path)


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system and the path there. No listing is kept: others write, too."""
    fs, path = fsspec.url_to_fs(url, use_listings_cache=False)
    return fs, path


def read(url: str) -> bytes:
    """A file's bytes."""
    fs, path = file_system(url)
    return bytes(fs.cat_file(path))


class Folder:
    """Files appear in it whole or not at all: a temporary name and a rename, or one put."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = file_system(url)
        self._local = isinstance(self._fs, LocalFileSystem)

    def put(self, name: str, data: bytes) -> None:
        """Writes or replaces a file."""
        path = posixpath.join(self._root, name)
        if not self._local:
            self._fs.pipe_file(path, data)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        part = f"{path}.{secrets.token_hex(8)}.part"
        try:
            with open(part, "wb") as file:
                file.write(data)
            os.replace(part, path)
        except BaseException:
            if os.path.exists(part):
                os.unlink(part)
            raise

    def has(self, name: str) -> bool:
        return bool(self._fs.exists(posixpath.join(self._root, name)))

    def remove(self, name: str) -> None:
        self._fs.rm_file(posixpath.join(self._root, name))

    def names(self) -> list[str]:
        """Of all files below it."""
        cut = len(self._root.rstrip("/")) + 1
        return [path[cut:] for path in self._fs.find(self._root)]
