"""What counts as a picture in a folder: names, links, and what is left out."""

import json
import os

import pytest
from picture_files import touch

from finetune.data.examples import Skipped, printable
from finetune.data.folder import scan_folder


@pytest.fixture
def root(tmp_path):
    """A sound folder of two classes."""
    return touch(tmp_path / "data", "cat/1.jpg", "cat/2.PNG", "dog/1.jpg")


def test_system_files_are_left_out_and_listed(root):
    """What operating systems and notebooks leave behind is neither a class nor a picture."""
    junk = ["__MACOSX/cat/1.jpg", ".ipynb_checkpoints/1.jpg", "Thumbs.db", ".DS_Store", "@eaDir/1.jpg"]
    touch(root, *junk, "cat/._1.jpg", "cat/.ipynb_checkpoints/1.jpg", "cat/desktop.ini", "cat/__MACOSX/1.jpg")
    examples = scan_folder(root)
    assert examples.files == ("cat/1.jpg", "cat/2.PNG", "dog/1.jpg")
    left_out = [".DS_Store", ".ipynb_checkpoints", "@eaDir", "Thumbs.db", "__MACOSX"]
    left_out += ["cat/._1.jpg", "cat/.ipynb_checkpoints", "cat/__MACOSX", "cat/desktop.ini"]
    assert sorted(item.file for item in examples.left_out) == sorted(left_out)
    assert {item.reason for item in examples.left_out} == {"system file"}


@pytest.mark.parametrize(
    "name", ["new\nline.jpg", "-rf.jpg", "x" * 251 + ".jpg", os.fsdecode(b"\xff\xfe.jpg"), "a b'\".jpg"]
)
def test_odd_file_names_are_kept(root, name):
    """Any name a file system allows is a picture, can be opened, and is printable as valid JSON."""
    touch(root, f"cat/{name}")
    examples = scan_folder(root)
    assert f"cat/{name}" in examples.files
    assert os.path.exists(os.path.join(examples.root, f"cat/{name}"))
    json.dumps(printable(f"cat/{name}"), ensure_ascii=False).encode("utf-8")


def test_links_to_files_are_followed(root):
    """A picture kept elsewhere counts where the link lies."""
    elsewhere = touch(root.parent, "store/9.jpg") / "store" / "9.jpg"
    (root / "cat" / "link.jpg").symlink_to(elsewhere)
    assert "cat/link.jpg" in scan_folder(root).files


def test_links_to_folders_are_listed_but_not_followed(root):
    """They could lead in circles or count a picture twice."""
    (root / "bird").symlink_to(root / "cat")
    (root / "cat" / "more").symlink_to(root / "dog")
    examples = scan_folder(root)
    assert examples.class_names == ("cat", "dog")
    assert [item.file for item in examples.left_out] == ["bird", "cat/more"]
    assert examples.notes == ("links to folders not followed: bird, cat/more",)


def test_circles_of_links_end_at_once(root):
    """Links to the folder above and to themselves are never entered."""
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "self.jpg").symlink_to("self.jpg")
    (root / "cat" / "ping.jpg").symlink_to("pong.jpg")
    (root / "cat" / "pong.jpg").symlink_to("ping.jpg")
    examples = scan_folder(root)
    assert examples.files == ("cat/1.jpg", "cat/2.PNG", "dog/1.jpg")
    circles = ["cat/ping.jpg", "cat/pong.jpg", "cat/self.jpg"]
    assert examples.skipped == tuple(Skipped(file, "a link that leads to itself") for file in circles)


def test_a_dangling_link_is_skipped(root):
    """A picture that is not there any more is listed now, not missed in the middle of training."""
    (root / "dog" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "dog" / "gone.txt").symlink_to("nowhere.txt")
    examples = scan_folder(root)
    assert examples.skipped == (Skipped("dog/gone.jpg", "a link to nothing"),)
    assert [item.file for item in examples.left_out] == ["dog/gone.txt"]


@pytest.mark.parametrize("suffix", ["webp", "tiff", "jfif", "avif", "heic", "svg", "pdf", "eps", "JPEG"])
def test_every_picture_extension_is_a_candidate(root, suffix):
    """What cannot be decoded is to be skipped with a reason later, not to vanish here."""
    assert f"cat/x.{suffix}" in scan_folder(touch(root, f"cat/x.{suffix}")).files


def test_a_file_without_extension_is_a_candidate_only_inside_a_class(root):
    """Hashes as names are common for pictures; beside the class folders it is a LICENSE."""
    examples = scan_folder(touch(root, "cat/0a1b2c", "LICENSE"))
    assert "cat/0a1b2c" in examples.files
    assert examples.left_out == (Skipped("LICENSE", "not a picture by its name: no extension"),)


@pytest.mark.parametrize("name", ["cat/labels.csv", "cat/1.json", "classes.txt", "cat/1.jpg.part"])
def test_files_with_other_extensions_are_left_out(root, name):
    """Notes beside pictures are listed and do not count as bad pictures."""
    examples = scan_folder(touch(root, name))
    assert [item.file for item in examples.left_out] == [name]
    assert not examples.skipped


def test_a_named_pipe_is_left_out(root):
    """Reading it would wait for ever."""
    os.mkfifo(root / "cat" / "pipe.jpg")
    assert scan_folder(root).left_out == (Skipped("cat/pipe.jpg", "neither a file nor a folder"),)
