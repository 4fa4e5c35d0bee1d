"""Fetching a pinned file: resumed where it broke off, checked before it gets its name."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from zoo.errors import ModelFileError, ResourceError

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


def download(url: str, path: Path, sha256: str) -> None:
    """Fetch a file to `path`; under that name there is the whole, checked file or none.

    What has arrived is kept beside it as `NAME.part`, so that the next try goes on from there.

    Args:
        url: address of the file.
        path: where it is to be; its folder is made.
        sha256: first digits, or all, of its SHA-256 in hexadecimal.

    Raises:
        ModelFileError: there is no network, the server refuses, the connection broke, or the bytes are others.
        ResourceError: the disk is full or cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part)
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    except urllib.error.HTTPError as error:
        raise ModelFileError(f"{url}: the server answers {error.code} {error.reason}. {_by_hand(path)}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise ModelFileError(
            f"{url}: cannot be fetched ({reason}); is this machine offline? {_by_hand(path)}"
        ) from error
    except OSError as error:
        raise ResourceError(f"{part}: cannot be written ({error.strerror or error})") from error
    if not found.startswith(sha256):
        part.unlink()
        raise ModelFileError(f"{url}: SHA-256 is {found}, but {sha256} is pinned; nothing is kept. {_by_hand(path)}")
    part.replace(path)


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what is missing of the file at `url`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        # 416: the part already holds all there is; the check of the hash decides
        if error.code == 416 and have:
            return
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as file:
        expected = answer.headers.get("Content-Length")
        received = 0
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            received += len(chunk)
    if expected is not None and received < int(expected):
        raise ConnectionError(f"it broke off after {received:,} of {int(expected):,} bytes; try again to go on")


def _by_hand(path: Path) -> str:
    return f"Or bring the file yourself: put it at {path}, or give its path as weights."
