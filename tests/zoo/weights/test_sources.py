"""Where weights come from: packages, downloads, imports; each pinned, each with a remedy when it is not there."""

import dataclasses
import hashlib
import http.server
import json
import socket
import threading

import numpy as np
import pytest
import safetensors.numpy

import zoo
from zoo.errors import ConfigError, ModelFileError, ResourceError
from zoo.spec import Download
from zoo.weights import sources
from zoo.weights.download import download
from zoo.weights.verify import find_row, import_weights, verify_weights

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LITE0 = zoo.find("efficientnet_lite0")


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, in parts where asked; `cut` bytes are missing from the first answer."""

    cut = 0
    ranges: list = []

    def do_GET(self):
        """Answer one request."""
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        Server.ranges.append(asked)
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if first >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        self.wfile.write(CONTENT[first : len(CONTENT) - Server.cut])
        Server.cut = 0

    def log_message(self, *arguments):
        """Stay quiet."""


@pytest.fixture
def url():
    """Address of a server on this machine."""
    Server.cut, Server.ranges = 0, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/weights.pth"
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_is_checked_and_named(url, tmp_path):
    """A fetched file has its name only after its hash was found right."""
    download(url, tmp_path / "cache" / "weights.pth", SHA256[:8])
    assert (tmp_path / "cache" / "weights.pth").read_bytes() == CONTENT
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["weights.pth"]


def test_cut_download_goes_on_where_it_broke_off(url, tmp_path):
    """A broken connection leaves a part, and the next try asks for the rest only."""
    Server.cut = 1000
    with pytest.raises(ModelFileError, match="broke off after 1,023,000 of 1,024,000 bytes"):
        download(url, tmp_path / "weights.pth", SHA256)
    assert not (tmp_path / "weights.pth").exists()
    download(url, tmp_path / "weights.pth", SHA256)
    assert Server.ranges == [None, "bytes=1023000-"] and (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_wrong_hash_keeps_nothing(url, tmp_path):
    """Other bytes than the pinned ones leave no file, neither whole nor in part."""
    with pytest.raises(ModelFileError, match="nothing is kept"):
        download(url, tmp_path / "weights.pth", "0" * 64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["offline", "missing"])
def test_unreachable_file_is_one_line_with_the_remedy(url, tmp_path, fault):
    """No network, or no such file: the line says how to bring the file by hand."""
    address = url.replace("weights.pth", "none.pth") if fault == "missing" else "http://127.0.0.1:9/weights.pth"
    with pytest.raises(ModelFileError, match=r"404|offline") as caught:
        download(address, tmp_path / "weights.pth", SHA256)
    assert "bring the file yourself" in str(caught.value) and "\n" not in str(caught.value)


def test_answer_that_is_no_http_is_one_line_with_the_remedy(tmp_path):
    """What a broken proxy answers is no traceback either."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"no HTTP at all\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ModelFileError, match="cannot be fetched .*Or bring the file yourself"):
            download(f"http://127.0.0.1:{server.getsockname()[1]}/weights.pth", tmp_path / "weights.pth", SHA256)
        thread.join()


def test_unwritable_folder_is_a_resource_error(url, tmp_path):
    """A place that cannot be written is named."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="cannot be written"):
        download(url, tmp_path / "file" / "weights.pth", SHA256)


def test_row_with_a_download_is_fetched_once(url, tmp_path):
    """The first use fetches, the second finds the file; before that it is not at hand."""
    row = dataclasses.replace(LITE0.weights[0], source=Download(url), sha256=SHA256)
    assert not sources.at_hand(row, tmp_path)
    assert sources.locate(row, tmp_path) == sources.locate(row, tmp_path)
    assert sources.at_hand(row, tmp_path) and len(Server.ranges) == 1


@pytest.fixture(scope="module")
def other_weights(tmp_path_factory):
    """A file of Lite0 by our names whose values are not the packaged ones, and the tag that it goes with."""
    cache = tmp_path_factory.mktemp("cache")
    zoo.create("efficientnet_lite0", input_shape=(32, 32, 3), cache_dir=cache)
    (copy,) = (cache / "weights").iterdir()
    arrays = {name: array * np.float32(0.99) for name, array in safetensors.numpy.load_file(copy).items()}
    safetensors.numpy.save_file(arrays, cache / "mine.safetensors")
    return cache / "mine.safetensors", "efficientnet_lite0.timm_ra_in1k"


@pytest.mark.keras
def test_imported_weights_are_at_hand_and_verified(other_weights, tmp_path):
    """After an import the tag loads by its name, with its own padding, and verifies."""
    path, tag = other_weights
    record = import_weights(path, tag, tmp_path)
    row = find_row(tag)
    assert record.num_arrays == 247 and sources.at_hand(row, tmp_path)
    assert verify_weights(row, tmp_path) < 1e-5
    model = zoo.create("efficientnet_lite0", weights=tag, cache_dir=tmp_path)
    assert "stem_pad" in {layer.name for layer in model.layers}


@pytest.mark.keras
@pytest.mark.parametrize("damage", ["bytes", "record", "golden"])
def test_changed_import_is_noticed(other_weights, tmp_path, damage):
    """A changed copy, a lost record or other outputs than at the import fail the verification."""
    path, tag = other_weights
    import_weights(path, tag, tmp_path)
    row = find_row(tag)
    copy = sources.imported_path(row, tmp_path)
    record = json.loads(copy.with_suffix(".json").read_text())
    if damage == "bytes":
        content = bytearray(copy.read_bytes())
        content[-1] ^= 1
        copy.write_bytes(content)
    elif damage == "record":
        copy.with_suffix(".json").unlink()
    else:
        record["golden"][0] += 0.01
        copy.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(ModelFileError, match="SHA-256|missing or damaged|differs from its golden"):
        verify_weights(row, tmp_path)


@pytest.mark.keras
def test_import_of_another_model_is_refused(other_weights, tmp_path):
    """A file that does not fit the tag's model leaves nothing behind."""
    with pytest.raises(ModelFileError, match="does not fit the model"):
        import_weights(other_weights[0], "efficientnet_lite1.timm_tf_in1k", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("model", "tags"), [("resnet18", "resnet18.torchvision_v1"), ("resnet200", "resnet200.timm")])
def test_import_under_a_model_names_its_tags(model, tags, tmp_path):
    """A model's name in the place of a tag is answered with the model's own tags."""
    with pytest.raises(ConfigError, match=f"{model}' is a model and no tag of weights; .*{tags}"):
        import_weights(tmp_path / "mine.pth", model, tmp_path)


def test_import_under_an_unknown_tag_suggests_the_nearest(tmp_path):
    """A mistyped tag is answered with the tags that are like it."""
    with pytest.raises(ConfigError, match="Nearest: .*efficientnet_lite0.timm_ra_in1k"):
        import_weights(tmp_path / "x.pth", "efficientnet_lite0.timm_ra", tmp_path)
