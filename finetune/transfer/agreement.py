"""Whether features that were computed another way may stand for those that Keras gives."""

import numpy as np
from sklearn.linear_model import Ridge

# Least cosine to Keras' features, of each picture in float32; of all pictures together in bfloat16, where single ones
# with few active channels differ more (EfficientNet-Lite0, 250 pictures: median 0.9986, least 0.9958).
FLOAT32_COSINE, BFLOAT16_COSINE = 0.9999, 0.999
# A cosine does not see a factor: lengths may differ by so much.
_LENGTH = 0.02
# Of the probe's ridge, as a share of the features' variance: the best of 0.01, 0.1, 1 and 10 on data/fashion-mini.
_PENALTY = 0.1
# Pictures that a probe may get wrong more than the one on Keras' features: one, for one is chance.
_CHANCE = 1


def agreement(features: np.ndarray, keras_features: np.ndarray, *, each: bool) -> float:
    """Return how much features agree with those of Keras, as a cosine.

    Args:
        features: (n, ...) float32.
        keras_features: (n, ...) float32.
        each: take the picture that agrees least, instead of all pictures as one vector.

    Returns:
        The cosine; 0 where lengths differ by more than 2 %, or a value is not finite.
    """
    rows = len(features) if each else 1
    a, b = features.reshape(rows, -1).astype("float64"), keras_features.reshape(rows, -1).astype("float64")
    lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    silent = (lengths[0] == 0) & (lengths[1] == 0)
    product = np.where(silent, 1, lengths[0] * lengths[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = np.where(silent, 1, (a * b).sum(axis=1) / product)
        alike = silent | (np.abs(lengths[0] / lengths[1] - 1) <= _LENGTH)
    return float(cosines.min()) if alike.all() and np.isfinite(cosines).all() else 0.0


def probe_scores(features: np.ndarray, keras_features: np.ndarray, values: np.ndarray) -> tuple[int, int, int]:
    """Compare a linear probe that learns from features with one that learns from Keras'; Keras' features judge both.

    That is what happens to a run: its head learns from the features, its finished model computes as Keras does. Every
    second example learns, the others judge.

    Args:
        features: (n, ...) float32.
        keras_features: (n, ...) float32.
        values: (n,) classes, or (n, outputs) 0 and 1 or numbers.

    Returns:
        How many answers of the probe on features are right, how many of that on Keras', and of how many. An answer in
        numbers is right within half a standard deviation.
    """
    known, asked = slice(0, None, 2), slice(1, None, 2)
    flat, keras_flat = (array.reshape(len(array), -1).astype("float64") for array in (features, keras_features))
    classes = np.unique(values) if values.ndim == 1 else None
    goals = (values[:, None] == classes).astype(float) if classes is not None else values.astype(float)
    right = []
    for learned in (flat, keras_flat):
        probe = Ridge(alpha=_PENALTY * float(np.var(learned[known], axis=0).sum())).fit(learned[known], goals[known])
        answers = probe.predict(keras_flat[asked]).reshape(len(goals[asked]), -1)
        if classes is not None:
            good = answers.argmax(axis=1) == goals[asked].argmax(axis=1)
        else:
            good = (np.abs(answers - goals[asked]) <= goals.std(axis=0) / 2).all(axis=1)
        right.append(int(good.sum()))
    return right[0], right[1], len(goals[asked])


def is_equal(right: int, right_of_keras: int) -> bool:
    """Whether a probe is as good as the one on Keras' features."""
    return right >= right_of_keras - _CHANCE
