"""Folders as tensorflow-datasets prepares them, written without it."""

import json
from pathlib import Path

import tensorflow as tf
from array_record.python.array_record_module import ArrayRecordWriter
from picture_files import encode, pixels

_CLASSES = "tensorflow_datasets.core.features."
IMAGE = {
    "pythonClassName": f"{_CLASSES}image_feature.Image",
    "image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}},
}
LABEL = {"pythonClassName": f"{_CLASSES}class_label_feature.ClassLabel", "classLabel": {"numClasses": "2"}}
BOX = {
    "pythonClassName": f"{_CLASSES}bbox_feature.BBoxFeature",
    "boundingBox": {"dtype": "float32", "shape": {"dimensions": ["4"]}},
}
BOXES = {"pythonClassName": f"{_CLASSES}sequence_feature.Sequence", "sequence": {"feature": BOX, "length": "-1"}}


def features_json(**features: dict) -> str:
    """Return features.json of these features."""
    return json.dumps(
        {"pythonClassName": f"{_CLASSES}features_dict.FeaturesDict", "featuresDict": {"features": features}}
    )


def _example(index: int, label: int) -> bytes:
    picture = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encode(pixels(index))]))
    number = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    return tf.train.Example(features=tf.train.Features(feature={"image": picture, "label": number})).SerializeToString()


def prepare(
    base: Path,
    name: str = "tiny",
    *,
    splits: dict[str, list[int]] | None = None,
    features: str | None = None,
    file_format: str = "tfrecord",
) -> Path:
    """Write version 1.0.0 of a data set of cats and dogs; `splits` holds the labels of each split."""
    splits = splits or {"train": [0, 1] * 8, "test": [0, 1] * 2}
    folder = base / name / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "features.json").write_text(features or features_json(image=IMAGE, label=LABEL))
    (folder / "label.labels.txt").write_text("cat\ndog\n")
    infos, number = [], 0
    for split, labels in splits.items():
        path = str(folder / f"{name}-{split}.{file_format}-00000-of-00001")
        writer = (
            ArrayRecordWriter(path, "group_size:1") if file_format == "array_record" else tf.io.TFRecordWriter(path)
        )
        for label in labels:
            writer.write(_example(number, label))
            number += 1
        writer.close()
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        infos.append(
            {"name": split, "shardLengths": [str(len(labels))], "numBytes": "1000", "filepathTemplate": template}
        )
    info = {"name": name, "version": "1.0.0", "fileFormat": file_format, "splits": infos, "moduleName": "evil_module"}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder
