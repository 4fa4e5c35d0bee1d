"""Cases that torch computed (golden/narrow), and our network with the same weights."""

import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import keras
import numpy as np

from zoo.head import classifier, pool
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing, Variant
from zoo.weights.convert import convert
from zoo.weights.safetensors_file import read_safetensors
from zoo.weights.torch_file import read_torch_file

GOLDEN = Path(__file__).parent.parent / "golden"
# Everything in float32 against torch in float64: the narrow networks differ by 1e-6, the full ones by 1e-5.
TOLERANCE = 1e-4
_PREPROCESSING = Preprocessing(224, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def read_case(name: str) -> dict[str, object]:
    """Return a case: its file, family, arguments, and logits by picture size."""
    return json.loads((GOLDEN / "narrow" / f"{name}.json").read_text())


def read_pictures() -> dict[str, np.ndarray]:
    """Return the cases' pictures by size, (batch, height, width, 3) uint8."""
    with np.load(GOLDEN / "narrow" / "pictures.npz") as file:
        return dict(file)


def network(family: str, arguments: dict[str, object], num_classes: int) -> keras.Model:
    """Return a model from pixels of any size to logits, with random weights."""
    inputs = keras.Input((None, None, 3), name="image")
    build = importlib.import_module(f"zoo.families.{family}.build").build
    features = build(normalize(inputs, _PREPROCESSING), **arguments)
    return keras.Model(inputs, classifier(pool(features), num_classes, dropout=0.0))


def load_weights(model: keras.Model, path: Path, family: str, naming: str, arguments: dict[str, object]) -> None:
    """Read a foreign file into the model; every array of the file and every variable of the model must be used."""
    state = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    namings = importlib.import_module(f"zoo.families.{family}.names").NAMINGS
    conversion = convert(state, namings[naming], arguments)
    variables = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        if layer.name != "preprocessing"
        for variable in layer.weights
    }
    assert (conversion.missing, conversion.extra) == ((), ()) and conversion.arrays.keys() == variables.keys()
    for name, variable in variables.items():
        variable.assign(conversion.arrays[name])


def narrow_network(name: str, naming: str, **more: object) -> keras.Model:
    """Return the model of a case with its weights; `more` are arguments of the builder that the case does not name."""
    case = read_case(name)
    model = network(case["family"], case["arguments"] | more, num_classes=10)
    load_weights(model, GOLDEN / "narrow" / case["file"], case["family"], naming, case["arguments"] | more)
    return model


def relative_error(found: keras.KerasTensor, expected: np.ndarray) -> float:
    """Return the largest difference in a logit, relative to the largest logit."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


def full_width_error(variant: Variant, path: Path) -> tuple[float, int]:
    """Compare a variant with torch's network of the same arguments; needs torch.

    Args:
        variant: row of the zoo.
        path: file that is written on the way, with 1000 classes.

    Returns:
        Relative error of the logits of two pictures, and the number of trainable parameters that torch counts.
    """
    torch, reference = importlib.import_module("torch"), _reference()
    theirs = reference.random_network(variant.family, variant.arguments, num_classes=1000, seed=0)
    torch.save(theirs.state_dict(), path)
    ours = network(variant.family, variant.arguments, num_classes=1000)
    load_weights(ours, path, variant.family, "torch", variant.arguments)
    pictures = read_pictures()["65x97"]
    error = relative_error(ours(pictures), reference.logits_of(theirs, pictures))
    return error, sum(parameter.numel() for parameter in theirs.parameters())


def _reference() -> ModuleType:
    """Return the script with the reference networks."""
    spec = importlib.util.spec_from_file_location("make_torch_backbones", GOLDEN / "make_torch_backbones.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
