"""Archives of Keras (.keras): what is in them, checked before any of it is used.

Known are the three members that `model.save` writes: metadata.json, config.json and model.weights.h5. Everything else
is refused: Keras would unpack it to disk and give its path to layers.
"""

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ModelFileError
from zoo.weights.hdf5_file import HDF5_SIGNATURE
from zoo.weights.hdf5_header import Window
from zoo.weights.keras_limits import KerasLimits, check_keras_limit
from zoo.weights.keras_lookup import is_word_list
from zoo.weights.stored_zip import LOCAL_SIGNATURE, Member, read_directory
from zoo.weights.weight_file import Refused, WeightFile, check_limit, how_to_raise, opened, shown

_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_MEMBERS = (_METADATA, _CONFIG, _WEIGHTS)
_ASSETS = "assets/"
_MOST_METADATA_BYTES = 4096
_CHUNK = 2**20
_LONGEST_TEXT = 1000
REMEDY = "Get the file again, or save the model again with Keras: model.save('new.keras')."
_REPACKED = "model.save stores members as they are: save the model again, or repack the archive with `zip -0`."
_WEIGHTS_ONLY = (
    "Weights alone are read from such files: where you trust it, load it with Keras and call "
    "model.save('new.keras') or model.save_weights('new.weights.h5')."
)
_OLDER = "Load it with that version, and save its weights alone: model.save_weights('new.weights.h5')."


@dataclass(frozen=True)
class Archive:
    """An archive whose members were checked.

    Attributes:
        config: what config.json holds: plain JSON values of bounded depth, nothing yet known of their meaning.
        weights: model.weights.h5 in the open file.
    """

    config: dict[str, object]
    weights: Window


@contextmanager
def opened_archive(path: str | Path, limits: KerasLimits, keras_version: str) -> Iterator[Archive]:
    """Open a .keras file; whatever is refused in the block leaves as a ModelFileError that names the file.

    Args:
        path: the file.
        limits: how much it may ask for.
        keras_version: the newest version whose files are accepted: the one that is installed.

    Raises:
        ModelFileError: it is missing, damaged, of another kind, over a limit, or of a newer Keras.
    """
    if is_hdf5(path):
        raise ModelFileError(f"{_name(path)}: is an HDF5 file, not a .keras archive of a whole model. {_WEIGHTS_ONLY}")
    with opened(path, limits.reading, REMEDY) as file:
        yield _read_archive(file, limits, keras_version)


@contextmanager
def opened_hdf5(path: str | Path, limits: KerasLimits, remedy: str) -> Iterator[Window]:
    """Open an HDF5 file; whatever is refused in the block leaves as a ModelFileError that names the file."""
    if not is_hdf5(path):
        with opened(path, limits.reading, remedy) as file:
            raise Refused(f"starts with {file.bytes_at(0, min(8, file.num_bytes))!r}, and is no HDF5 file")
    try:
        with Path(path).open("rb", buffering=0) as handle:
            num_bytes = handle.seek(0, 2)
            check_limit(num_bytes, limits.reading, "file_bytes", "size in bytes")
            yield Window(WeightFile(handle, num_bytes, limits.reading), 0, num_bytes)
    except Refused as error:
        raise ModelFileError(f"{_name(path)}: {error.found}. {error.remedy or remedy}") from error
    except OSError as error:
        raise ModelFileError(f"{_name(path)}: cannot be read ({error.strerror}). {remedy}") from error


def is_hdf5(path: str | Path) -> bool:
    """Whether this is an ordinary file that starts as HDF5 files do."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb", buffering=0) as handle:
            return handle.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except (OSError, ValueError):
        return False


def _name(path: str | Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))


def _read_archive(file: WeightFile, limits: KerasLimits, keras_version: str) -> Archive:
    start = file.bytes_at(0, min(4, file.num_bytes))
    if start != LOCAL_SIGNATURE:
        raise Refused(f"starts with {start!r}; a .keras file is a zip archive and starts with {LOCAL_SIGNATURE!r}")
    members = read_directory(file)
    _check_members(members)
    metadata = _json(file, members[_METADATA], limits, most=_MOST_METADATA_BYTES)
    _check_version(metadata.get("keras_version"), keras_version)
    config = _json(file, members[_CONFIG], limits, most=limits.reading.header_bytes)
    weights = members[_WEIGHTS]
    _check_crc(file, weights)
    return Archive(config, Window(file, weights.offset, weights.num_bytes))


def _check_members(members: dict[str, Member]) -> None:
    for name, member in members.items():
        if name not in _MEMBERS and not (name == _ASSETS and not member.num_bytes):
            asset = "; no accepted layer has files of its own" if name.startswith(_ASSETS) else ""
            raise Refused(f"holds the member {shown(name)}; {', '.join(_MEMBERS)} accepted{asset}")
        if member.method != 0:
            raise Refused(f"member {shown(name)} is compressed (method {member.method})", _REPACKED)
    missing = [name for name in _MEMBERS if name not in members]
    if missing:
        raise Refused(f"lacks the member {' and '.join(missing)}, which model.save writes")


def _check_crc(file: WeightFile, member: Member) -> None:
    """Compare a member with its checksum, in pieces that need no memory."""
    crc = 0
    for at in range(0, member.num_bytes, _CHUNK):
        crc = zlib.crc32(file.bytes_at(member.offset + at, min(_CHUNK, member.num_bytes - at)), crc)
    if crc != member.crc:
        raise Refused(f"member {member.name} is damaged: its CRC-32 is {crc:08x}, the directory says {member.crc:08x}")


def _check_version(found: object, installed: str) -> None:
    numbers = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", found) if isinstance(found, str) else None
    if numbers is None:
        raise Refused(f"its {_METADATA} names the Keras version {shown(str(found))}; a text like '3.15.1' expected")
    version = tuple(int(number or 0) for number in numbers.groups())
    if version < (3,):
        raise Refused(f"was saved by Keras {shown(found)}; 3.0.0 to {installed} accepted", _OLDER)
    if version > tuple(int(number) for number in re.findall(r"\d+", installed)[:3]):
        raise Refused(
            f"was saved by Keras {shown(found)}, and Keras {installed} is installed",
            f"Install it: pip install 'keras>={numbers.group()}'.",
        )


def _json(file: WeightFile, member: Member, limits: KerasLimits, *, most: int) -> dict[str, object]:
    """Return a JSON object in which no key comes twice and nothing is nested too deeply."""
    if member.num_bytes > most:
        raise Refused(
            f"member {member.name} has {member.num_bytes} bytes; at most {most} accepted",
            how_to_raise("ReadLimits(header_bytes=...)"),
        )
    try:
        found = json.loads(member.read(file).decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise Refused(f"its {member.name} is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise Refused(f"its {member.name} nests too deeply; at most {limits.nesting} levels accepted") from error
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise Refused(f"its {member.name} is not JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise Refused(f"its {member.name} is a {type(found).__name__}; a JSON object expected")
    check_values(found, member.name, limits)
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Refused(f"the key {shown(key)} comes twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise Refused(f"holds {name}, which is not JSON; Keras needs no such number in a model's settings")


def check_values(value: object, name: str, limits: KerasLimits) -> None:
    """Refuse deep nesting, and numbers and texts that no setting of a layer has."""
    level, depth = [value], 0
    while level:
        depth += 1
        check_keras_limit(depth, limits, "nesting", f"levels of {name}")
        deeper: list[object] = []
        for found in level:
            if isinstance(found, dict | list):
                check_keras_limit(len(found), limits, "items", f"values of one list or object of {name}")
            if isinstance(found, dict):
                deeper += found.keys()
                deeper += [value for key, value in found.items() if not is_word_list(key, value)]
                words = max((len(value) for key, value in found.items() if is_word_list(key, value)), default=0)
                check_keras_limit(words, limits, "items", f"words of one lookup layer of {name}")
            elif isinstance(found, list):
                deeper += found
            elif isinstance(found, str):
                if len(found) > _LONGEST_TEXT or not found.isprintable():
                    raise Refused(
                        f"its {name} holds {shown(found)}; printable texts of at most {_LONGEST_TEXT} letters"
                    )
            elif isinstance(found, int | float) and not abs(found) < 2**63:
                raise Refused(f"its {name} holds the number {str(found)[:40]}; numbers below 2**63 accepted")
        level = deeper
