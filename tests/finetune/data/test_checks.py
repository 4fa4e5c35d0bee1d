"""The check of all files before training: verdicts, limits and duplicates."""

import hashlib
import os
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import picture_files as make
import pytest
from picture_files import check, class_folders, encode, pixels, unprivileged, write_files

from finetune.data import checks
from finetune.data.checks import duplicate_warnings
from finetune.data.examples import Skipped
from finetune.data.folder import scan_folder
from finetune.data.images import Decoded
from zoo.errors import DataError


def refusal(root: Path, **options) -> str:
    """Give the message with which a folder is refused."""
    with pytest.raises(DataError) as caught:
        check(root, **options)
    return str(caught.value)


@pytest.fixture
def root(tmp_path):
    """A sound folder of two classes with three pictures each."""
    return class_folders(tmp_path / "data")


def test_sound_pictures_all_stay(root):
    """Nothing is left out, and each digest is that of the file's bytes."""
    result = check(root)
    assert result.examples == scan_folder(root)
    expected = [hashlib.sha256((root / file).read_bytes()).digest() for file in result.examples.files]
    assert [digest.tobytes() for digest in result.digests] == expected
    assert result.warnings == ()
    assert result.decoded


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("zero.jpg", b"", "empty file"),
        ("page.jpg", make.HTML, "an HTML page, not an image"),
        ("note.png", b"to do: replace", "text, not an image"),
        ("crc.png", make.png_file(1, 1, rows=b"\0\0")[:-1] + b"\0", "bad CRC in chunk 'IEND'"),
        ("cut.png", encode(pixels())[:-30], "truncated"),
        ("phone.heic", make.HEIC, "HEIC: convert to JPEG (Pillow cannot decode it here)"),
        ("float.tiff", encode(make.Image.new("F", (2, 2)), "TIFF"), "a float TIFF"),
        ("drawing.jpg", make.SVG, "SVG"),
        ("paper.jpg", make.PDF, "a PDF document"),
        ("print.jpg", make.EPS, "PostScript"),
        ("many.gif", make.gif_of_frames(10_000), "more than 1,000 frames (max_frames)"),
        ("huge.png", make.png_file(12_000, 12_000), "12000 x 12000 pixels are over the limit of 89,000,000"),
    ],
)
def test_a_bad_file_is_skipped_with_its_reason(root, name, content, reason):
    """The others go on; what was left out and why is kept for the report."""
    result = check(write_files(root, {f"cat/{name}": content}))
    assert f"cat/{name}" not in result.examples.files
    assert len(result.examples) == len(result.digests) == 6
    assert [fault.file for fault in result.examples.skipped] == [f"cat/{name}"]
    assert result.examples.skipped[0].reason.startswith(reason)


@pytest.mark.parametrize("picture_format", ["WEBP", "TIFF", "JPEG", "AVIF"])
def test_less_common_formats_are_used(root, picture_format):
    """Formats that other loaders leave out in silence are decoded."""
    suffix = {"JPEG": "jfif"}.get(picture_format, picture_format.lower())
    write_files(root, {f"cat/x.{suffix}": encode(pixels(), picture_format)})
    assert f"cat/x.{suffix}" in check(root).examples.files


def test_an_unreadable_file_is_skipped():
    """A file without read permission is named before training, not in the middle of it."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        root = class_folders(Path(name))
        (root / "cat" / "1.png").chmod(0)
        with unprivileged():
            result = check(root)
    assert result.examples.skipped == (Skipped("cat/1.png", "cannot be read: Permission denied"),)
    assert len(result.digests) == 5


def many(root: Path, good: int, bad: int) -> Path:
    """Write two classes with `good` pictures and `bad` empty files in all."""
    class_folders(root, per_class=good // 2)
    return write_files(root, {f"cat/bad{index:02d}.jpg": b"" for index in range(bad)})


@pytest.mark.parametrize(("good", "bad"), [(2, 1), (98, 1), (198, 2)])
def test_one_percent_of_bad_files_is_tolerated(tmp_path, good, bad):
    """A single bad file is let pass in a small set, too."""
    assert len(check(many(tmp_path, good, bad)).examples.skipped) == bad


@pytest.mark.parametrize(("good", "bad"), [(6, 2), (148, 2), (196, 3)])
def test_more_bad_files_are_refused(tmp_path, good, bad):
    """So many faults mean that the set as a whole is damaged."""
    assert f"{bad} of {good + bad} pictures cannot be used, over the limit of 1%" in refusal(many(tmp_path, good, bad))


def test_a_refusal_lists_the_first_ten_files(tmp_path):
    """Ten reasons show the pattern; the rest is a count."""
    message = refusal(many(tmp_path, 4, 12))
    assert message.count("empty file") == 10
    assert "  cat/bad09.jpg: empty file\nand 2 more\nMend them, or take them out of the data." in message


def test_files_skipped_by_the_scan_count_too(root):
    """A dangling link is as bad as an empty file."""
    (root / "cat" / "gone.png").symlink_to("nowhere.png")
    assert "2 of 8 pictures cannot be used" in refusal(write_files(root, {"dog/bad.jpg": b""}))


def test_a_class_without_a_usable_picture_is_refused(root):
    """Even one bad file is too many when it is the class's only one."""
    message = refusal(write_files(root, {"bird/1.jpg": make.HTML}))
    assert "no usable picture is left in the class bird:\n  bird/1.jpg: an HTML page, not an image" in message


def test_a_class_emptied_on_one_side_is_refused(tmp_path):
    """A class that the test set lacks could not be judged."""
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", per_class=1)
    write_files(tmp_path, {"test/dog/0.png": b""})
    assert "no usable picture is left in the class dog (test)" in refusal(tmp_path)


def test_equal_files_in_two_classes_are_warned_of(root):
    """One of the two labels must be wrong."""
    write_files(root, {"dog/copy.png": (root / "cat/1.png").read_bytes()})
    (warning,) = check(root).warnings
    assert "1 pair of equal files lies in two classes" in warning
    assert "cat/1.png (cat) = dog/copy.png (dog)" in warning


def test_equal_files_on_two_sides_are_warned_of(tmp_path):
    """A test picture that was trained on says nothing."""
    class_folders(tmp_path / "train", per_class=2)
    class_folders(tmp_path / "test", classes=("cat", "dog"), per_class=1)
    (warning,) = check(tmp_path).warnings
    assert "2 pairs of equal files lie on two sides of the split" in warning
    assert "test/cat/0.png (test) = train/cat/0.png (train)" in warning


def test_equal_files_on_one_side_of_one_class_are_no_fault(root):
    """Repeats within a class change nothing but its weight."""
    assert check(write_files(root, {"cat/copy.png": (root / "cat/1.png").read_bytes()})).warnings == ()


def test_strict_refuses_equal_files_in_two_classes(root):
    """What is a warning otherwise ends the run."""
    write_files(root, {"dog/copy.png": (root / "cat/1.png").read_bytes()})
    assert "cat/1.png (cat) = dog/copy.png (dog)" in refusal(root, strict=True)


def test_strict_refuses_a_single_bad_file(root):
    """One bad file of a hundred is let pass otherwise."""
    assert len(check(write_files(root, {"cat/torn.jpg": b""})).examples.skipped) == 1
    assert "cat/torn.jpg: empty file" in (message := refusal(root, strict=True)) and "strict=true" in message


def test_duplicates_are_found_again_in_a_split_of_our_own(root):
    """After the split is made, the same question is asked of its sides."""
    write_files(root, {"cat/copy.png": (root / "cat/1.png").read_bytes()})
    result = check(root)
    labels, sides = result.examples.labels, ["train"] * len(result.examples)
    assert duplicate_warnings(result.digests, labels, sides, result.examples) == ()
    sides[result.examples.files.index("cat/copy.png")] = "test"
    (warning,) = duplicate_warnings(result.digests, labels, sides, result.examples)
    assert "cat/1.png (train) = cat/copy.png (test)" in warning


def test_ten_pairs_of_duplicates_are_listed(tmp_path):
    """A copied class folder gives a short warning."""
    class_folders(tmp_path, classes=("cat",), per_class=13)
    write_files(tmp_path, {f"dog/{file.name}": file.read_bytes() for file in (tmp_path / "cat").iterdir()})
    (warning,) = check(tmp_path).warnings
    assert warning.startswith("13 pairs") and warning.count(" = ") == 10 and "; and 3 more." in warning


def test_progress_reaches_its_total(tmp_path):
    """Both steps announce how many files they will do, and do as many."""
    steps: dict[str, list[int]] = {}

    @contextmanager
    def track(title, total, unit):
        steps[f"{title} {unit}"] = [total, 0]

        def advance(count):
            steps[f"{title} {unit}"][1] += count

        yield advance

    check(class_folders(tmp_path, per_class=40), track=track)
    assert steps == {"reading files": [80, 80], "checking images": [80, 80]}


def test_only_as_many_pictures_as_threads_are_decoded_at_once(tmp_path, monkeypatch):
    """Memory is bounded by the threads, not by the number of files."""
    class_folders(tmp_path, per_class=100)
    lock, running, most = threading.Lock(), [0], [0]

    def slow(path, limits, least):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001)
        with lock:
            running[0] -= 1
        return Decoded(make.Image.new("RGB", (4, 4)), (4, 4), (0, 0, 4, 4))

    monkeypatch.setattr(checks, "open_reduced", slow)
    check(tmp_path, threads=3)
    assert most[0] == 3


def test_the_number_of_threads_changes_nothing(tmp_path):
    """Order and verdicts are the same for one thread and for many."""
    many(tmp_path, 200, 2)
    assert check(tmp_path, threads=1) == check(tmp_path, threads=8)
