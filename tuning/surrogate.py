"""A model of the losses over the space: a Gaussian process, fitted in bounded time."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.preprocessing import PowerTransformer

# Fitting the kernel takes the cube of the trials in time, fifty times over; what is learned once, only once.
MAX_KERNEL_TRIALS = 150
MAX_TRIALS = 600
# Logarithms of amplitude, lengths and noise: where they are expected, and by how much they may well differ. A length
# of 1 is the whole range of a hyperparameter.
_AMPLITUDE, _LENGTH, _NOISE = (0.0, 1.0), (0.0, 1.0), (-6.0, 1.5)
_MAX_STEPS = 40
# Losses further above the median than so many times the best is below it are all the same.
_FAR = 10
# On the diagonal besides the noise, for the factorization.
_JITTER = 1e-8


@dataclass(frozen=True)
class Surrogate:
    """A fitted model.

    Attributes:
        process: from encoded combinations to losses on the scale of `as_targets`.
        best: what it takes the best of the tried combinations to give.
    """

    process: GaussianProcessRegressor
    best: float

    def log_improvement(self, rows: np.ndarray) -> np.ndarray:
        """Return the logarithm of the improvement on the best that combinations are expected to give.

        The formula is that of Jones et al. (1998), with the tail's expansion where it would be 0 in floats.

        Args:
            rows: (combinations, columns) float64, encoded.

        Returns:
            (combinations,) float64.
        """
        mean, deviation = _predict(self.process, rows)
        z = (self.best - mean) / deviation
        near = np.log(np.maximum(norm.pdf(z) + z * norm.cdf(z), 1e-300))
        far = norm.logpdf(z) - 2 * np.log(np.maximum(np.abs(z), 1.0))
        return np.log(deviation) + np.where(z > -5, near, far)


def as_targets(losses: Sequence[float | None]) -> np.ndarray:
    """Return losses on a scale on which they are about normally distributed; failures are beyond the worst.

    The transformation is that of Box and Cox where all losses are positive, so that losses over orders of magnitude
    are taken by their logarithms, and that of Yeo and Johnson otherwise, as in HEBO (https://arxiv.org/abs/2012.03826).
    What is far worse than the median is cut off first: it says nothing of where the best is.

    Args:
        losses: lower is better; None for failures.

    Returns:
        (trials,) float64.
    """
    has_score = np.array([loss is not None for loss in losses])
    scores = np.array([loss for loss in losses if loss is not None], float)
    middle = np.median(scores)
    scores = np.minimum(scores, middle + _FAR * (middle - scores.min()))
    targets = np.zeros(len(losses))
    if len(np.unique(scores)) > 2:
        positive = (scores > 0).all()
        scaled = scores / scores.std() if positive else (scores - scores.mean()) / scores.std()
        transform = PowerTransformer("box-cox" if positive else "yeo-johnson")
        targets[has_score] = transform.fit_transform(scaled[:, None])[:, 0]
    elif scores.std():
        targets[has_score] = (scores - scores.mean()) / scores.std()
    targets[~has_score] = targets[has_score].max() + 1
    return targets


def fit(rows: np.ndarray, losses: Sequence[float | None], pending: np.ndarray) -> Surrogate:
    """Fit a surrogate.

    Args:
        rows: (trials, columns) float64, encoded combinations that were tried.
        losses: of these trials; None for failures.
        pending: (running trials, columns) float64; they are taken to give what the model expects of them, so that no
            other trial is proposed next to them.

    Returns:
        The model. Above 600 trials it knows the better half of as many, and the others evenly thinned out.
    """
    targets = as_targets(losses)
    few = _thinned(targets, MAX_KERNEL_TRIALS)
    kernel = _fitted_kernel(rows[few], targets[few])
    many = _thinned(targets, MAX_TRIALS)
    rows, targets = rows[many], targets[many]
    process = _process(kernel).fit(rows, targets)
    best = float(process.predict(rows).min())
    if len(pending):
        targets = np.concatenate([targets, process.predict(pending)])
        process = _process(kernel).fit(np.concatenate([rows, pending]), targets)
    return Surrogate(process, best)


def _thinned(targets: np.ndarray, size: int) -> np.ndarray:
    """Return which trials are kept: the better half of `size`, and of the others every so-manieth."""
    if len(targets) <= size:
        return np.arange(len(targets))
    order = np.argsort(targets, kind="stable")
    others = np.sort(order[size // 2 :])
    picked = others[np.linspace(0, len(others) - 1, size - size // 2).astype(int)]
    return np.sort(np.concatenate([order[: size // 2], picked]))


def _fitted_kernel(rows: np.ndarray, targets: np.ndarray) -> object:
    """Return the kernel with the most probable amplitude, lengths and noise."""
    priors = np.array([_AMPLITUDE, *[_LENGTH] * rows.shape[1], _NOISE])
    mean, deviation = priors.T

    def most_probable(negative_log_likelihood: Callable, start: np.ndarray, bounds: np.ndarray) -> tuple:
        def negative_log_posterior(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = negative_log_likelihood(theta)
            distance = (theta - mean) / deviation
            return value + distance @ distance / 2, gradient + distance / deviation

        found = minimize(
            negative_log_posterior,
            mean,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _MAX_STEPS},
        )
        return found.x, found.fun

    amplitude, *lengths, noise = np.exp(mean)
    kernel = ConstantKernel(amplitude, (1e-2, 1e2)) * Matern(lengths, (0.03, 1e3), nu=2.5)
    process = GaussianProcessRegressor(kernel + WhiteKernel(noise, (1e-6, 3.0)), alpha=_JITTER, optimizer=most_probable)
    with warnings.catch_warnings():
        # a length at its bound is a hyperparameter that does not matter: nothing to warn of
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(rows, targets).kernel_


def _process(kernel: object) -> GaussianProcessRegressor:
    return GaussianProcessRegressor(kernel, alpha=_JITTER, optimizer=None)


def _predict(process: GaussianProcessRegressor, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of the loss itself, without the noise that a trial would add."""
    mean, deviation = process.predict(rows, return_std=True)
    noise = process.kernel_.k2.noise_level
    return mean, np.sqrt(np.maximum(deviation**2 - noise, 1e-12))
