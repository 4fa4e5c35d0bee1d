"""Large JPEG files are decoded no larger than is needed: sooner, in less memory, and to the same pictures."""

import io

import numpy as np
import picture_files as make
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from finetune.config import make_config
from finetune.data import images
from finetune.data.folder import scan_folder
from finetune.data.images import ImageLimits, open_image, open_reduced, read_square, square
from finetune.data.load import check_examples
from finetune.data.picture_facts import ENOUGH, facts_of
from finetune.progress import Reporter
from zoo.errors import ImageError
from zoo.spec import Preprocessing

WIDTH, HEIGHT = 1283, 851


@pytest.fixture(scope="module")
def photo():
    """A photo with grain, of an odd size."""
    image = Image.fromarray(load_sample_images().images[0]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).integers(-6, 7, (HEIGHT, WIDTH, 3))
    return Image.fromarray(np.clip(np.asarray(image, int) + grain, 0, 255).astype("uint8"))


def jpeg(image, **options):
    """Return a picture as the bytes of a JPEG file."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def turned(image, orientation):
    """Return the bytes of a JPEG file that says how it is to be turned."""
    exif = Image.Exif()
    exif[274] = orientation
    return jpeg(image, exif=exif)


def row(side, resize="crop", fraction=0.875):
    """Return how a network takes pictures."""
    return Preprocessing(side, (0.0,) * 3, (1.0,) * 3, crop_fraction=fraction, resize=resize)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_square_is_that_of_the_whole_picture(photo, resize, orientation):
    """Whatever part of it is taken, and however it is turned, nobody would see the difference."""
    data = turned(photo, orientation)
    whole = square(open_image(data), row(32, resize)).astype(int)
    found = read_square(data, row(32, resize)).astype(int)
    assert 0 < np.abs(found - whole).mean() < 0.7 and np.abs(found - whole).max() <= 10


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"subsampling": 2}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_sort_of_jpeg_is_reduced(photo, mode, options):
    """Grey ones, those for printers, and those that load in steps."""
    data = jpeg(photo.convert(mode), **options)
    decoded = open_reduced(data, least=200)
    found, size = decoded.image, decoded.size
    assert (found.mode, found.size, size) == ("RGB", (321, 213), (WIDTH, HEIGHT))
    small = (64, 43)
    difference = np.asarray(found.resize(small), int) - np.asarray(open_image(data).resize(small), int)
    assert np.abs(difference).mean() < 1.5


def grey_sources(photo):
    """Return pictures in one channel as files of all sorts, arrays and what Pillow made; one of them shines through."""
    small, deep = photo.convert("L").resize((300, 211)), np.arange(300 * 211, dtype="uint16").reshape(211, 300)
    exif = Image.Exif()
    exif[274] = 6
    found = {
        "png": (small, "PNG", {}),
        "turned": (small, "JPEG", {"exif": exif}),
        "large": (photo.convert("L"), "JPEG", {}),
    }
    found |= {"deep": (Image.fromarray(deep), "PNG", {}), "through": (small, "PNG", {"transparency": 90})}
    sources = {"array": np.asarray(small), "pillow": small}
    for name, (image, format, options) in found.items():
        stream = io.BytesIO()
        image.save(stream, format, **options)
        sources[name] = stream.getvalue()
    return sources


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("name", ["png", "turned", "large", "deep", "through", "array", "pillow"])
def test_grey_pictures_give_what_they_give_in_colour(photo, name, resize):
    """They are resized in one channel, and each of the three is the same then; what shines through lies over white."""
    source, preprocessing = grey_sources(photo)[name], row(64, resize)
    least = 10_000 if name != "large" else 220
    decoded = open_reduced(source, least=least)
    expected = square(decoded.image, preprocessing, size=decoded.size, area=decoded.area)
    found = read_square(source, preprocessing)
    assert found.shape == (64, 64, 3) and found.flags.writeable
    np.testing.assert_array_equal(found, expected)
    kept = open_reduced(source, least=least, grey=True).image.mode
    assert (decoded.image.mode, kept) == ("RGB", "RGB" if name == "through" else "L")


@pytest.mark.parametrize("least", [1, 90, 106, 107, 212, 213, 214, 425, 426, 850, 851, 852, 5000])
def test_as_much_is_left_as_is_needed(photo, least):
    """The shorter side keeps what was asked for, or all that it has; it is never more than twice that, but for 8."""
    found = open_reduced(jpeg(photo), least=least).image
    shorter = min(found.size)
    assert shorter >= min(least, HEIGHT)
    assert shorter < 2 * least + 8 or shorter == -(-HEIGHT // 8) or least >= HEIGHT


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_place_is_where_it_was(resize, orientation):
    """One pixel beyond a multiple of eight makes the last one of the smaller picture reach far over the end."""
    across, down = np.meshgrid(np.linspace(0, 255, 361), np.linspace(0, 255, 289))
    data = turned(Image.fromarray(np.stack([across, down, across], axis=2).astype("uint8")), orientation)
    whole, reduced = open_image(data), open_reduced(data, least=36)
    assert min(reduced.image.size) == 37
    expected = square(whole, row(12, resize, 1.0)).astype(int)
    found = square(reduced.image, row(12, resize, 1.0), size=reduced.size, area=reduced.area)
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize(("side", "fraction"), [(32, 1.0), (32, 0.5), (70, 0.875)])
def test_three_times_what_the_network_takes_is_decoded(photo, monkeypatch, side, fraction):
    """Of the part that is cut out of the picture, too: less would be seen."""
    taken = []

    def noted(*given, **how):
        taken.append(open_reduced(*given, **how))
        return taken[-1]

    monkeypatch.setattr(images, "open_reduced", noted)
    read_square(jpeg(photo), row(side, fraction=fraction))
    assert 3 * side <= fraction * min(taken[0].image.size) < fraction * HEIGHT


def test_checked_folder_tells_the_pictures_own_sizes(photo, tmp_path):
    """What is said of the shapes of pictures is not said of what was decoded of them."""
    for name, orientation in (("a", 1), ("b", 6)):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.jpg").write_bytes(turned(photo.resize((1300, 1100)), orientation))
    config = make_config({"cache_dir": str(tmp_path / "cache")})
    facts = check_examples(config, scan_folder(tmp_path / "data"), Reporter(0)).facts
    assert list(zip(facts["width"], facts["height"], strict=True)) == [(1300, 1100), (1100, 1300)]


@pytest.mark.parametrize(("orientation", "size"), [(1, (WIDTH, HEIGHT)), (3, (WIDTH, HEIGHT)), (6, (HEIGHT, WIDTH))])
def test_own_size_is_told_as_the_picture_is_turned(photo, orientation, size):
    """Checks speak of the picture as it is seen, not of what was decoded of it."""
    decoded = open_reduced(turned(photo, orientation), least=200)
    found = decoded.image
    assert decoded.size == size == open_image(turned(photo, orientation)).size
    assert (found.size[0] > found.size[1]) == (size[0] > size[1])


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP", "TIFF"])
def test_other_formats_are_decoded_fully(photo, format):
    """They have no smaller picture inside."""
    found = open_reduced(make.encode(photo, format), least=100)
    assert found.image.size == found.size == found.area[2:] == (WIDTH, HEIGHT)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("least", [100, 200, 400])
def test_a_file_that_ends_too_early_is_found_out_as_well(photo, share, least):
    """All of the file is read, also where less is made of it."""
    data = jpeg(photo)
    with pytest.raises(ImageError, match="truncated"):
        open_reduced(data[: int(share * len(data))], least=least)


def test_pixel_limit_is_for_the_picture_itself(photo):
    """What is refused does not depend on the network that it is for."""
    with pytest.raises(ImageError, match="over the limit"):
        open_reduced(jpeg(photo), ImageLimits(max_pixels=WIDTH * HEIGHT - 1), least=100)


def test_picture_that_is_given_stays_as_it_is(photo):
    """A caller's own picture, opened but not loaded yet, has its size afterwards."""
    with Image.open(io.BytesIO(jpeg(photo))) as given:
        found = open_reduced(given, least=100)
        assert found.size == given.size == (WIDTH, HEIGHT)


def test_facts_are_those_of_the_whole_picture():
    """Size to the pixel, brightness within a level or two, and the same look."""
    side = 2 * ENOUGH
    photo = Image.fromarray(load_sample_images().images[1]).resize((side + 100, side), Image.Resampling.BICUBIC)
    decoded = open_reduced(jpeg(photo), least=ENOUGH)
    image = decoded.image
    found, whole = facts_of(image, size=decoded.size, area=decoded.area), facts_of(open_image(jpeg(photo)))
    assert image.size == (side // 2 + 50, side // 2) and found[:2] == whole[:2] == (side + 100, side)
    np.testing.assert_allclose(found[2:7], whole[2:7], atol=6)
    assert (found.hash ^ whole.hash).bit_count() <= 2
    assert np.corrcoef(found.thumbnail.ravel(), whole.thumbnail.ravel())[0, 1] > 0.999
