"""Settings of the data: what they are, how they are read, and who learns from which of them."""

from typing import Annotated, Literal

from pydantic import Field

from finetune.settings.record import Names, Settings

Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
# What `data` begins with where it is a data set of keras.datasets or of tensorflow-datasets, or objects of a Python
# program, which no config can name.
KERAS, TFDS, OBJECTS = "keras:", "tfds:", "python:"


class DataSettings(Settings):
    """What is learned from. A field left at None (or "auto") is decided by the run.

    Attributes:
        data: folder of class folders, or of train/validation/test folders that hold class folders; or a CSV file, of a
            table or a series.
        target: column of a CSV file that is to be predicted; None takes one named target, label, class or y, or else
            the last. Of pictures also several columns of 0 and 1, "red,blue".
        task: "classification", "regression", "forecasting", or "multi_label" for pictures; "auto" goes by the target.
        path: column of a CSV file that holds paths of pictures; None takes one that is called path, file, image or
            filename where its cells are picture files.
        label_separator: sign between the labels of one picture in a cell of a CSV file; None finds | and ;.
        numeric: columns to take as numbers whatever they look like.
        categorical: columns to take as texts whatever they look like.
        ignore: columns to leave out.
        missing: what a blank number becomes: "mean", "median" (of the training rows) or "zero"; "refuse" refuses it.
        missing_texts: texts that mean a blank cell, such as NA or ?, but for the target.
        separator: between the cells of a CSV file, a character or comma, semicolon, tab, pipe; None detects it.
        decimal: sign between whole and fraction in a CSV file's numbers, "." or ",".
        time: column that says when; makes a CSV file a series. None takes a column of dates in even steps, or a first
            column of such numbers.
        window: steps that a series' model looks back; makes a CSV file a series. None decides by the series' period.
        horizon: steps that it looks ahead.
        stride: steps from one window to the next.
        group: column whose equal values stay on one side of the split, such as a patient.
        side: column that says "train", "validation" or "test" for each row.
        sample_weight: column of weights in the loss, 0 or more.
        class_weights: "none", or "balanced": each class counts the same in the loss, however many examples it has.
        image_size: side of the square in pixels; None takes that of the weights.
        resize: how a picture meets the square: "crop" cuts the middle out, as the weights were trained; "pad" keeps all
            of it; "stretch" keeps all and gives up its shape; "auto" goes by how the shapes vary.
        store_gigabytes: decoded pictures that the cache may keep for training; more are decoded in every epoch.
        validation_fraction: share of every class that picks the best epoch, unless folders say it.
        test_fraction: share of every class that is looked at once, at the end, unless folders say it.
        folds: instead of one test side, this many that take turns: every example is tested once, by a model that did
            not learn from it, and the model that is kept learns from all. None for one test side.
        drop_empty_classes: leave classes without pictures out instead of refusing them.
        strict: make warnings about the data fatal.
        max_image_pixels: larger pictures are left out, judged by their header before anything is decoded.
        datasets_dir: folder that holds data sets for `keras:NAME` and `tfds:NAME`; None looks where their libraries do.
        max_array_bytes: of arrays, unpacked: of a .npz file, a data set by name, or a data set of Python's.
        max_columns: of a CSV file.
        max_row_bytes: of one row of a CSV file, with the line ends in quoted cells.
        max_cell_characters: of one cell of a CSV file.
        max_cells: rows times columns of a CSV file.
        max_texts: different texts of all columns of a CSV file.
        threads: that decode pictures; None takes one a core.
    """

    data: str | None = None
    target: str | None = None
    task: Literal["auto", "classification", "multi_label", "regression", "forecasting"] = "auto"
    path: str | None = None
    label_separator: Annotated[str | None, Field(min_length=1, max_length=8)] = None
    numeric: Names = ()
    categorical: Names = ()
    ignore: Names = ()
    missing: Literal["refuse", "mean", "median", "zero"] = "refuse"
    missing_texts: Names = ()
    separator: str | None = None
    decimal: Literal[".", ","] = "."
    time: str | None = None
    window: Annotated[int | None, Field(ge=1, le=100_000)] = None
    horizon: int = Field(1, ge=1, le=10_000)
    stride: int = Field(1, ge=1, le=100_000)
    group: str | None = None
    side: str | None = None
    sample_weight: str | None = None
    class_weights: Literal["none", "balanced"] = "none"
    # the zoo's networks take 32 and more; the upper end keeps one batch within a gigabyte
    image_size: Annotated[int | None, Field(ge=8, le=1024)] = None
    store_gigabytes: float = Field(20.0, ge=0, allow_inf_nan=False)
    resize: Literal["auto", "crop", "pad", "stretch"] = "crop"
    validation_fraction: Rate = 0.15
    test_fraction: Rate = 0.15
    folds: Annotated[int | None, Field(ge=2, le=100)] = None
    drop_empty_classes: bool = False
    strict: bool = False
    max_image_pixels: int = Field(89_000_000, ge=1, le=178_000_000)
    datasets_dir: str | None = None
    max_array_bytes: int = Field(4_000_000_000, ge=1)
    max_columns: int = Field(10_000, ge=1)
    max_row_bytes: int = Field(4_000_000, ge=1)
    max_cell_characters: int = Field(131_072, ge=1)
    max_cells: int = Field(500_000_000, ge=1)
    max_texts: int = Field(10_000_000, ge=1)
    threads: int | None = Field(None, ge=1, le=256)
