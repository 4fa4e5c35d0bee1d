"""A made-up but realistic run for the tests of the report: ten kinds of clothing, 150 test pictures, 129 right."""

import io
from dataclasses import replace

from PIL import Image

from finetune.report.page import Report

# Markup, template code, a bare entity, controls, a direction mark, a lone surrogate, a byte of a foreign encoding.
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;\x00\x1b[31m\u202e\ud800\udce9\n"
CLASS_NAMES = ["Ankle boot", "Bag", "Coat", "Dress", "Pullover", "Sandal", "Shirt", "Sneaker", "T-shirt/top", "Trouser"]
MATRIX = [
    [14, 0, 0, 0, 0, 0, 0, 1, 0, 0],
    [0, 15, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 12, 1, 2, 0, 0, 0, 0, 0],
    [0, 0, 1, 13, 0, 0, 1, 0, 0, 0],
    [0, 0, 1, 0, 13, 0, 1, 0, 0, 0],
    [0, 0, 0, 0, 0, 15, 0, 0, 0, 0],
    [0, 0, 2, 0, 2, 0, 7, 0, 4, 0],
    [1, 0, 0, 0, 0, 1, 0, 13, 0, 0],
    [0, 0, 0, 1, 0, 0, 1, 0, 13, 0],
    [0, 0, 0, 1, 0, 0, 0, 0, 0, 14],
]
CONFIG = {
    "data": "/home/me/photos",
    "model": "efficientnet_lite0",
    "method": "two_phase",
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.001,
    "label_smoothing": 0.0,
    "augmentation": None,
    "cache_features": True,
    "seed": 0,
}
ENVIRONMENT = {
    "python": "3.11.7",
    "platform": "Linux-6.8.0-x86_64-with-glibc2.39",
    "cpu": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
    "cores": 2,
    "packages": {"keras": "3.15.1", "tensorflow": "2.21.0", "numpy": "2.4.6", "pillow": "13.0.0"},
    "started": "2026-11-21T22:00:00Z",
}
DATA = {
    "kind": "folder",
    "source": "/home/me/photos",
    "fingerprint": "9f2c1e6a0b7d4835a1c9e2f4460d88b7",
    "class_names": CLASS_NAMES,
    "num_examples": 1000,
    "splits": {"train": 700, "validation": 150, "test": 150},
    "per_class": {name: {"train": 70, "validation": 15, "test": 15} for name in CLASS_NAMES},
    "skipped": [
        {"file": "Bag/0031.jpg", "reason": "truncated: 1,204 of 8,112 bytes"},
        {"file": "Shirt/broken.jpg", "reason": "an HTML page, not a picture"},
    ],
    "left_out": [{"file": f"{name}/.DS_Store", "reason": "a file of the system"} for name in CLASS_NAMES],
    "warnings": ["Coat/0007.png and Pullover/0113.png are the same picture under two labels."],
    "notes": ["Split 70/15/15 by class, seed 0."],
}
MODEL = {
    "task": "classification",
    "name": "efficientnet_lite0",
    "weights": "efficientnet_lite0.ml_illustrated",
    "parameters": 4652008,
    "trainable_parameters": 12810,
    "class_names": CLASS_NAMES,
    "preprocessing": {
        "image_size": 224,
        "mean": [127.0, 127.0, 127.0],
        "std": [128.0, 128.0, 128.0],
        "interpolation": "bicubic",
    },
    "decisions": [
        {"what": "method", "value": "two_phase", "why": "70 pictures a class: enough to tune the last stages gently."},
        {"what": "cache_features", "value": True, "why": "No augmentation, so the trunk's output never changes."},
    ],
}


def history(epochs: int = 20, phases: tuple[str, ...] = ("head", "full")) -> list[dict]:
    """Return rows whose validation loss is lowest at three quarters of the way, the epochs shared among the phases."""
    rows = []
    for i in range(epochs):
        loss = 0.25 + 2.0 * 0.8 ** (i + 1)
        val_loss = 0.42 + 1.6 * 0.75 ** (i + 1) + 0.012 * max(0, i + 1 - 0.75 * epochs)
        rows.append(
            {
                "epoch": i + 1,
                "phase": phases[i * len(phases) // epochs],
                "loss": loss,
                "accuracy": 0.97 - 0.6 * 0.8**i,
                "val_loss": val_loss,
                "val_accuracy": 0.88 - 0.5 * 0.72**i,
                "learning_rate": 0.001 if i < epochs // 2 else 0.0001,
                "seconds": 1.25,
            }
        )
    return rows


def metrics() -> dict:
    """Return metrics that agree with `MATRIX`."""
    return {
        "task": "classification",
        "train": {"loss": 0.262, "accuracy": 0.9628},
        "validation": {"loss": 0.431, "accuracy": 0.88, "accuracy_interval": [0.818, 0.923]},
        "test": {
            "loss": 0.466,
            "accuracy": 0.86,
            "accuracy_interval": [0.7954, 0.9065],
            "precision_macro": 0.8614,
            "recall_macro": 0.86,
            "f1_macro": 0.8583,
            "ece": 0.041,
            "per_class": {name: _scores(i) for i, name in enumerate(CLASS_NAMES)},
            "confusion_matrix": MATRIX,
        },
        "baseline": {"name": "majority class", "accuracy": 0.1},
        "most_confused": [
            {"label": "Shirt", "predicted": "T-shirt/top", "count": 4},
            {"label": "Coat", "predicted": "Pullover", "count": 2},
            {"label": "Shirt", "predicted": "Coat", "count": 2},
        ],
        "seconds": {"check": 0.8, "features": 12.4, "train": 95.2, "evaluate": 2.1},
        "peak_rss_bytes": 1_310_720_000,
    }


def mistakes(count: int = 21) -> list[dict]:
    """Return `count` wrong predictions, the surest first."""
    return [
        {
            "file": f"Shirt/{i:04}.png",
            "label": "Shirt",
            "predicted": "Coat",
            "probability": 0.97 - 0.02 * i,
            "picture": png((10 * i % 256, 90, 120)),
        }
        for i in range(count)
    ]


def png(colour: tuple[int, int, int] = (90, 90, 90), size: tuple[int, int] = (4, 3)) -> bytes:
    """Return a PNG of one colour, `size` as (width, height)."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def report(**changes) -> Report:
    """Return the whole run as the page gets it, with some fields changed."""
    whole = Report(
        config=CONFIG,
        environment=ENVIRONMENT,
        data=DATA,
        history=history(),
        metrics=metrics(),
        model=MODEL,
        mistakes=mistakes(),
        plots={"curves": png(size=(40, 30)), "confusion": png(size=(30, 30))},
        command="finetune fit /home/me/photos --model efficientnet_lite0 --method two_phase --epochs 20 --seed 0",
    )
    return replace(whole, **changes)


def hostile_report() -> Report:
    """Return the sample run with one hostile text wherever a user's text can stand."""
    names = [f"{HOSTILE}{i}" for i in range(10)]
    old, scores = metrics(), metrics()
    scores["test"]["per_class"] = dict(zip(names, old["test"]["per_class"].values(), strict=True))
    scores["most_confused"] = [{"label": names[6], "predicted": names[8], "count": 4}] * 3
    scores["baseline"] = {"name": HOSTILE, "accuracy": 0.1}
    scores["seconds"] = {HOSTILE: 1.0, "check": 2.0, "train": 3.0, "evaluate": 1.0}
    files = [{"file": HOSTILE, "reason": HOSTILE}]
    data = DATA | {"class_names": names, "source": HOSTILE, "fingerprint": HOSTILE}
    data |= {"per_class": dict.fromkeys(names, {"train": 1}), "skipped": files * 2, "left_out": files * 10}
    data |= {"warnings": [HOSTILE], "notes": [HOSTILE]}
    model = MODEL | {"name": HOSTILE, "weights": HOSTILE, "class_names": names}
    model["decisions"] = [{"what": HOSTILE, "value": [HOSTILE], "why": HOSTILE}] * 2
    wrong = [row | {"file": HOSTILE, "label": names[0], "predicted": names[1]} for row in mistakes()]
    return report(
        config=dict.fromkeys(CONFIG, HOSTILE),
        environment=ENVIRONMENT | {"cpu": HOSTILE, "started": HOSTILE, "packages": {HOSTILE: HOSTILE}},
        data=data,
        history=[row | {"phase": HOSTILE} for row in history()],
        metrics=scores,
        model=model,
        mistakes=wrong,
        command=HOSTILE,
    )


def _scores(i: int) -> dict:
    right, support, said = MATRIX[i][i], sum(MATRIX[i]), sum(row[i] for row in MATRIX)
    precision, recall = right / said, right / support
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "support": support,
    }
