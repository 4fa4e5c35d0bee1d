"""The page of a run: what it says, that it needs nothing else, and that no text of a user can become markup."""

import base64
import re
import unicodedata
from html.parser import HTMLParser

import pytest

from finetune.report import figures, page
from tests.finetune.report import sample_run

VOID = {"meta", "img", "br", "link", "input"}
INLINE = {"bdi", "strong", "span", "i", "code"}
SECTIONS = [
    "Validation and test",
    "Most often confused",
    "How it learned",
    "What is taken for what",
    "Class by class",
    "Mistakes",
    "Data",
    "Decisions and why",
    "Time and memory",
    "To repeat this run",
]


class Page(HTMLParser):
    """A page as lists: its tags with their attributes, the tags and classes around them, and the texts."""

    def __init__(self, html: str):
        super().__init__()
        self.html, self.tags, self.open, self.texts = html, [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note a tag; all but those within a line set texts apart."""
        if tag not in INLINE:
            self.handle_data(" ")
        classes = " ".join(attributes.get("class") or "" for _, attributes in self.open).split()
        self.tags.append((tag, dict(attrs), [kind for kind, _ in self.open], classes))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Close the innermost tag, which must be of the same kind."""
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        """Note a text with the tags around it."""
        self.texts.append(([kind for kind, _ in self.open], data))

    def text(self, within: str = "body") -> str:
        """Return the text inside a kind of tag, with single spaces."""
        return " ".join("".join(data for around, data in self.texts if within in around).split())

    def each(self, within: str) -> list[str]:
        """Return the text inside a kind of tag, piece by piece."""
        return [data.strip() for around, data in self.texts if around[-1:] == [within] and data.strip()]

    def named(self, kind: str) -> list[dict]:
        """Return the attributes of all tags of a kind."""
        return [attributes for tag, attributes, *_ in self.tags if tag == kind]


def rendered(**changes) -> Page:
    """Return the page of the sample run with some fields changed."""
    return Page(page.render(sample_run.report(**changes)))


def metrics_with(split: str = "test", **changes) -> dict:
    """Return the sample metrics with some scores of one split changed."""
    metrics = sample_run.metrics()
    return metrics | {split: metrics[split] | changes}


def test_title_names_data_and_model():
    """The heading and the browser's tab say what was trained on what."""
    shown = rendered()
    assert shown.text("h1") == "photos with efficientnet_lite0"
    assert shown.text("title").startswith("photos · efficientnet_lite0")


def test_sections_come_in_order():
    """From the result to the details."""
    assert rendered().each("h2") == SECTIONS


def test_summary_counts_right_pictures_beside_range_and_baseline():
    """The result stands there in counts, in percent, with its range, and beside the baseline."""
    text = rendered().text()
    assert (
        "86.0 % Test accuracy. Of 150 pictures that the model had never seen, it named 129 right and 21 wrong." in text
    )
    assert "the true accuracy lies between 79.5 % and 90.6 %" in text
    assert "the most frequent class would be right in 10.0 %. The model is clearly better." in text


def test_summary_counts_without_a_confusion_matrix():
    """The number of right answers follows from accuracy and split size where there is no matrix."""
    metrics = sample_run.metrics()
    del metrics["test"]["confusion_matrix"]
    assert "Of 150 pictures that the model had never seen, it named 129 right" in rendered(metrics=metrics).text()


def test_data_without_pictures_are_called_examples():
    """A model that takes no image has no pictures to speak of."""
    model = sample_run.MODEL | {"preprocessing": {"mean": [0.0]}}
    assert "Of 150 examples that the model" in rendered(model=model).text()


def test_model_no_better_than_the_baseline_is_called_so():
    """A baseline inside the range is not beaten."""
    baseline = {"name": "majority class", "accuracy": 0.8}
    text = rendered(metrics=sample_run.metrics() | {"baseline": baseline}).text()
    assert "would be right in 80.0 %. The model is not clearly better" in text


@pytest.mark.parametrize(
    ("validation", "says"),
    [(0.88, "agree within the range"), (0.95, "above the range of the test"), (0.6, "quote the test.")],
)
def test_validation_is_held_against_the_test(validation, says):
    """Validation inside, above and below the range of the test get their own words."""
    text = rendered(metrics=metrics_with("validation", accuracy=validation)).text("dd")
    assert f"Validation gives {100 * validation:.1f} %" in text and says in text
    assert ("agree within" in text) == (validation == 0.88)


@pytest.mark.parametrize(("train", "says"), [(0.995, "far more than on others"), (0.9, "not far above")])
def test_learning_by_heart_is_named(train, says):
    """Training accuracy more than ten points above validation gets advice."""
    assert says in rendered(metrics=metrics_with("train", accuracy=train)).text()


def test_confused_classes_are_counted():
    """The pairs most often confused stand with their counts and the size of the true class."""
    text = rendered().text()
    assert "Most often it takes “Shirt” for “T-shirt/top”: 4 of 15." in text
    assert "Coat taken for Pullover 2 of 15" in text


def test_classes_are_sorted_worst_first():
    """The first row is the class with the lowest F1, with its number in the model's order."""
    rows = re.findall(r'class="n soft">(\d+)</td><th scope="row"><bdi>(.*?)</bdi>', rendered().html)
    assert rows[0] == ("7", "Shirt") and rows[-1] == ("2", "Bag") and len(rows) == 10


def test_bar_is_as_long_as_the_score():
    """The bar of a class shows its F1."""
    assert {"style": "width:56.0%"} in rendered().named("i")


def test_scores_of_all_splits_stand_in_one_table():
    """A row per score, a column per split, a dash where a split has no such score."""
    text = rendered().text("table")
    assert "examples 700 150 150 accuracy 96.3 % 88.0 % 86.0 % loss" in text
    assert "F1, mean of classes – – 0.858" in text


def test_mistakes_show_label_prediction_and_picture():
    """A mistake is a picture with what it is, what it was taken for, and how sure the model was."""
    shown = rendered()
    assert "is Shirt, predicted Coat (97 %)Shirt/0000.png" in shown.text("li")
    picture = base64.b64encode(sample_run.mistakes()[0]["picture"]).decode()
    assert f'src="data:image/png;base64,{picture}"' in shown.html


def test_no_more_than_24_mistakes_are_shown():
    """The worst 24 are shown and the number of all is told."""
    shown = rendered(mistakes=sample_run.mistakes(30))
    assert shown.text("li").count("predicted Coat") == 24
    assert "Shirt/0023.png" in shown.html and "Shirt/0024.png" not in shown.html
    assert "24 of 30" in shown.text()


def test_only_tiny_pictures_keep_their_pixels():
    """Pictures of a few pixels are enlarged without blurring, photographs smoothly."""
    large = sample_run.mistakes(1)[0] | {"picture": sample_run.png(size=(65, 10))}
    images = rendered(mistakes=[*sample_run.mistakes(1), large]).named("img")
    assert [image.get("class") for image in images[-2:]] == ["tiny", None]


def test_plots_are_embedded_at_half_size():
    """The pictures are inside the page and twice as fine as the screen asks for."""
    curves = base64.b64encode(sample_run.report().plots["curves"]).decode()
    image = rendered().named("img")[0]
    assert image["src"] == f"data:image/png;base64,{curves}"
    assert (image["width"], image["height"]) == ("20", "15")


def test_best_epoch_is_told_below_the_curves():
    """The epoch with the lowest validation loss is named in words."""
    assert "Validation loss was lowest in epoch 15." in rendered().text("figcaption")


def test_kept_epoch_that_is_not_the_lowest_is_explained():
    """Where the end of a schedule is kept, or what came before it, the page says which epoch, and why."""
    text = rendered(metrics=sample_run.metrics() | {"best_epoch": 20}).text("figcaption")
    assert "lowest in epoch 15. The weights of epoch 20 are kept: where pretrained stages learn" in text
    assert "are kept" not in rendered(metrics=sample_run.metrics() | {"best_epoch": 15}).text("figcaption")


def test_every_epoch_can_be_read_in_numbers():
    """The folded table has a row per epoch, and a dash where a value is absent."""
    rows = [
        {"epoch": 1, "phase": "head", "loss": 0.51234, "val_loss": None},
        {"epoch": 2, "phase": "full", "loss": 0.4},
    ]
    text = rendered(history=rows).text("details")
    assert "epoch phase loss val loss 1 head 0.5123 – 2 full 0.4 –" in text


def test_names_that_the_plot_cannot_write_are_explained():
    """The numbers that stand for names in the picture are explained only where they occur."""
    data = sample_run.DATA | {"class_names": [*sample_run.CLASS_NAMES[:9], "猫"]}
    assert "#7 stands for" in rendered(data=data).text("figcaption")
    assert "#7 stands for" not in rendered().text("figcaption")


def test_data_report_lists_what_was_not_used():
    """Warnings and notes are open, skipped and left-out files folded with their reasons."""
    shown = rendered()
    assert "same picture under two labels" in shown.text("main")
    assert "same picture under two labels" not in shown.text("details")
    assert "Skipped, though meant to be used: 2 Bag/0031.jpg truncated" in shown.text("details")
    assert "Split 70/15/15 by class, seed 0." in shown.text("li")


def test_long_lists_are_cut_with_a_count():
    """Of 602 files left out 500 are listed, and the rest is counted."""
    files = [{"file": f"{i}.txt", "reason": "no picture"} for i in range(602)]
    shown = rendered(data=sample_run.DATA | {"left_out": files})
    assert shown.text("details").count("no picture") == 500
    assert "and 102 more" in shown.text("details")


@pytest.mark.parametrize(("classes", "folded"), [(30, False), (31, True)])
def test_tables_of_many_classes_are_folded(classes, folded):
    """Up to 30 classes stand open, the rest is behind a line to click on."""
    names = [f"class {i}" for i in range(classes)]
    score = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    data = sample_run.DATA | {"class_names": names, "per_class": {name: {"train": 3} for name in names}}
    shown = rendered(metrics=metrics_with(per_class=dict.fromkeys(names, score)), data=data)
    assert ("The other 1 classes" in shown.text("summary")) is folded
    assert ("open" in shown.named("details")[-1]) is not folded


def test_decisions_time_and_memory_are_told():
    """Each decision has its reason; seconds add up; memory has a unit."""
    text = rendered().text()
    assert "method: two_phase 70 pictures a class: enough" in text
    assert "Training 1 min 35 s" in text and "Total 1 min 50 s" in text
    assert "At most 1.31 GB of memory." in text


def test_settings_and_environment_are_listed():
    """Settings are spelled as in a config file, packages with their versions."""
    text = rendered().text("table")
    assert "learning_rate 0.001" in text and "augmentation null" in text and "cache_features true" in text
    assert "packages keras 3.15.1, tensorflow 2.21.0" in text
    assert "preprocessing image_size 224, mean [127.0, 127.0, 127.0]" in text


def test_command_can_be_copied_as_it_is():
    """The command stands in the page to the letter, over several lines where it has them."""
    command = "finetune fit '/data/a & b' \\\n  --model <x>"
    shown = rendered(command=command)
    assert "".join(data for around, data in shown.texts if "pre" in around) == command


def test_page_needs_no_network_and_runs_nothing():
    """Nothing is loaded, nothing is executed, and the page itself forbids both."""
    shown = rendered()
    kinds = {tag for tag, *_ in shown.tags}
    assert kinds.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form", "a"})
    assert all(image["src"].startswith("data:image/png;base64,") for image in shown.named("img"))
    assert not re.search(r"url\(|@import|https?://", shown.html)
    assert {
        "http-equiv": "Content-Security-Policy",
        "content": "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    } in shown.named("meta")


def test_pictures_have_words_for_who_cannot_see_them():
    """Every picture has its own text."""
    assert all(image["alt"] for image in rendered().named("img"))


def test_wide_content_scrolls_inside_its_own_box():
    """Tables and plots can be wider than a phone without moving the page."""
    tags = rendered().tags
    boxes = [classes for tag, _, around, classes in tags if tag == "table" or (tag == "img" and "figure" in around)]
    assert len(boxes) == 10
    assert all("scroll" in classes for classes in boxes)


def test_no_text_becomes_markup():
    """A run full of markup gives exactly the tags of a harmless one."""
    hostile, harmless = Page(page.render(sample_run.hostile_report())), rendered()
    assert [tag for tag, *_ in hostile.tags] == [tag for tag, *_ in harmless.tags]
    assert [sorted(attributes) for _, attributes, *_ in hostile.tags] == [sorted(a) for _, a, *_ in harmless.tags]
    assert hostile.text().count("<script>alert(1)</script>") > 100


def test_no_character_of_the_page_is_hidden():
    """Controls, direction marks and broken bytes are spelled out, so that the page is valid text."""
    html = page.render(sample_run.hostile_report())
    odd = {c for c in html if not c.isprintable() and c != "\n" and unicodedata.category(c) != "Zs"}
    assert odd == set()
    assert "\\x00\\x1b[31m\\u202e\\ud800\\xe9\\n" in html
    html.encode("utf-8")


def test_joined_letters_and_wide_spaces_are_kept():
    """What Persian, emoji and Japanese need to be read is not spelled out."""
    name = "می\u200cخواهم 👩\u200d👧 犬\u3000猫"
    assert name in rendered(model=sample_run.MODEL | {"name": name}).html


@pytest.mark.parametrize(
    ("field", "key", "gone"),
    [
        ("metrics", "train", "Did it learn by heart?"),
        ("metrics", "validation", "Do validation and test agree?"),
        ("metrics", "baseline", "Is it better than guessing?"),
        ("metrics", "most_confused", "Most often confused"),
        ("metrics", "seconds", "Time and memory"),
        ("metrics", "peak_rss_bytes", "of memory"),
        ("data", "per_class", "Examples of each class"),
        ("data", "skipped", "Skipped"),
        ("data", "left_out", "Left out"),
        ("data", "warnings", "two labels"),
        ("data", "notes", "Split 70/15/15"),
        ("data", "fingerprint", "fingerprint"),
        ("data", "class_names", "#7"),
        ("data", "num_examples", "1,000 pictures"),
        ("model", "decisions", "Decisions and why"),
        ("model", "class_names", "10 classes"),
        ("model", "weights", "weights efficientnet"),
        ("model", "preprocessing", "image_size"),
        ("environment", "started", "2026"),
        ("plots", "curves", "How it learned"),
        ("plots", "confusion", "What is taken for what"),
    ],
)
def test_absent_block_leaves_no_trace(field, key, gone):
    """A run that lacks an optional part has a page without it."""
    whole = getattr(sample_run.report(), field)
    without = {name: value for name, value in whole.items() if name != key}
    assert gone not in rendered(**{field: without}).text()


def test_absent_scores_of_the_test_leave_no_trace():
    """A test that knows nothing but its accuracy is enough."""
    shown = rendered(metrics={"test": {"accuracy": 0.5}}, mistakes=[], history=[], plots={})
    assert "50.0 % Test accuracy. Of 150 pictures that the model had never seen, it named 75 right" in shown.text()
    assert shown.each("h2") == ["Validation and test", "Data", "Decisions and why", "To repeat this run"]


def test_task_without_accuracy_shows_its_scores():
    """Regression has no count of right answers, and its scores stand in the table."""
    shown = rendered(metrics={"task": "regression", "test": {"mae": 0.25, "r2": 0.5}}, mistakes=[])
    assert "Test accuracy" not in shown.text()
    assert "mean absolute error 0.250" in shown.text("table")


def test_mistake_without_a_picture_is_told_in_words():
    """Rows of a table have no picture."""
    row = {"file": "row 7", "label": "yes", "predicted": "no", "probability": 0.8}
    assert "is yes, predicted no (80 %)row 7" in rendered(mistakes=[row]).text("li")


@pytest.mark.parametrize(("field", "value"), [("metrics", {"task": "classification"}), ("data", {"kind": "folder"})])
def test_missing_core_is_a_defect(field, value):
    """Without test scores or split sizes there is nothing to report."""
    with pytest.raises(KeyError):
        page.render(sample_run.report(**{field: value}))


@pytest.mark.parametrize(
    ("share", "digits", "shown"),
    [(0.86, 1, "86.0"), (1.0, 1, "100.0"), (0.9999, 1, "99.9"), (0.999, 0, "99"), (0.0, 1, "0.0"), (0.905, 0, "90")],
)
def test_percent_is_whole_only_when_all_are_right(share, digits, shown):
    """9999 of 10,000 are not 100 %."""
    assert page.percent(share, digits) == f"{shown}\u00a0%"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_unknown_number_is_a_dash(value):
    """What could not be computed is not shown as a number."""
    assert page.percent(value) == page.number(value) == "–"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (95.2, "1 min 35 s"), (7322, "2 h 2 min")],
)
def test_duration_has_the_units_of_its_size(seconds, shown):
    """Seconds, minutes and hours."""
    assert figures.duration(seconds).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(("count", "shown"), [(1_310_720_000, "1.31 GB"), (24_600_000, "25 MB")])
def test_memory_has_the_unit_of_its_size(count, shown):
    """Megabytes and gigabytes."""
    assert figures.memory(count).replace("\u00a0", " ") == shown
