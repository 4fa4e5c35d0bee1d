"""Whether features that were computed another way may stand for those that Keras gives."""

import numpy as np
from scipy.stats import binomtest
from sklearn.linear_model import Ridge

from finetune.transfer.trunk import DAMAGED
from zoo.errors import RunStateError

# Least cosine to Keras' features, of each picture in float32; of all pictures together in bfloat16, where single ones
# with few active channels differ more (EfficientNet-Lite0, 250 pictures: median 0.9986, least 0.9958).
FLOAT32_COSINE, BFLOAT16_COSINE = 0.9999, 0.999
# Below this, features are not those of the same pictures; those of other pictures have cosines around 0.6.
_DAMAGED_COSINE = 0.99
# A cosine does not see a factor: lengths may differ by so much.
_LENGTH = 0.02
# Of the probe's ridge, as a share of the features' variance: the best of 0.01, 0.1, 1 and 10 on data/fashion-mini.
_PENALTY = 0.1
# How likely a probe that is as good may be taken for a worse one.
_CHANCE = 0.05


def agreement(features: np.ndarray, keras_features: np.ndarray, *, each: bool) -> float:
    """Return how much features agree with those of Keras, as a cosine.

    Args:
        features: (n, ...) float32.
        keras_features: (n, ...) float32.
        each: take the picture that agrees least, instead of all pictures as one vector.

    Returns:
        The cosine; 0 where lengths differ by more than 2 %, or a value is not finite.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        pairs = ((features, features), (keras_features, keras_features), (features, keras_features))
        squares, keras_squares, products = (_products(a, b) if each else _products(a, b).sum()[None] for a, b in pairs)
        lengths = np.sqrt(squares), np.sqrt(keras_squares)
        silent = (lengths[0] == 0) & (lengths[1] == 0)
        cosines = np.where(silent, 1, products / np.where(silent, 1, lengths[0] * lengths[1]))
        alike = silent | (np.abs(lengths[0] / lengths[1] - 1) <= _LENGTH)
    return float(cosines.min()) if alike.all() and np.isfinite(cosines).all() else 0.0


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of each two rows in float64, of which no copies are made: maps of a low cut are large."""
    return np.einsum("ij,ij->i", a.reshape(len(a), -1), b.reshape(len(b), -1), dtype="float64")


def require_near(features: np.ndarray, keras_features: np.ndarray) -> None:
    """Hold features in half precision against those of Keras for some of the same pictures.

    Raises:
        RunStateError: they are not of the same pictures, or were damaged.
    """
    cosine = agreement(features, keras_features, each=False)
    if not cosine >= _DAMAGED_COSINE:
        raise RunStateError(f"the cosine of cached features to Keras' is {cosine:.3f}: {DAMAGED}")


def probe_answers(
    features: np.ndarray, keras_features: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a linear probe that learns from features with one that learns from Keras'; Keras' features judge both.

    That is what happens to a run: its head learns from the features, its finished model computes as Keras does. Each
    half of the examples learns once, and the other half judges. Of maps it takes the mean of each channel.

    Args:
        features: (n, ...) float32.
        keras_features: (n, ...) float32.
        values: (n,) classes, or (n, outputs) 0 and 1 or numbers.

    Returns:
        (n,) whether the probe on features answered right, and (n,) whether that on Keras' did. An answer in numbers is
        right within half a standard deviation.
    """
    flat, keras_flat = (
        array.mean(axis=tuple(range(1, array.ndim - 1)), dtype="float64") for array in (features, keras_features)
    )
    classes = np.unique(values) if values.ndim == 1 else None
    goals = (values[:, None] == classes).astype(float) if classes is not None else values.astype(float)
    answers = np.zeros((2, *goals.shape))
    for known, asked in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        for number, learned in enumerate((flat, keras_flat)):
            penalty = _PENALTY * float(np.var(learned[known], axis=0).sum())
            probe = Ridge(alpha=penalty).fit(learned[known], goals[known])
            answers[number, asked] = probe.predict(keras_flat[asked]).reshape(goals[asked].shape)
    if classes is not None:
        right = answers.argmax(axis=2) == goals.argmax(axis=1)
    else:
        right = (np.abs(answers - goals) <= goals.std(axis=0) / 2).all(axis=2)
    return right[0], right[1]


def is_as_good(right: np.ndarray, right_of_keras: np.ndarray) -> bool:
    """Whether a probe is as good as the one on Keras' features, as far as examples tell on which they differ.

    Two equally good probes differ on some by chance; it is worse where a sign test says so (5 %, one-sided).
    """
    lost, won = int((right_of_keras & ~right).sum()), int((right & ~right_of_keras).sum())
    return lost <= won or binomtest(lost, lost + won, alternative="greater").pvalue >= _CHANCE
