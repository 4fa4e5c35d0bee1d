"""Schedules: how the learning rate goes over a phase, by name; and the plateau, which goes by the validation loss."""

import math
from collections.abc import Callable

import keras

from finetune.config import FinetuneConfig

Schedule = keras.optimizers.schedules.LearningRateSchedule

# fastai's fit_one_cycle: 30 % of the steps up from 1/25 of the peak, the rest down to 1/100,000 of it.
_UP, _FIRST, _LAST = 0.3, 1 / 25, 1e-5
# Smallest relative fall of the validation loss that counts, as in torch.optim.lr_scheduler.ReduceLROnPlateau. Keras'
# callback of that name has the same number as an absolute difference, which means nothing without the loss' scale.
_THRESHOLD = 1e-4


@keras.saving.register_keras_serializable(package="keras_graft")
class Constant(Schedule):
    """The same rate at every step."""

    def __init__(self, learning_rate: float):
        self.learning_rate = learning_rate

    def __call__(self, step: object) -> object:
        """Return the rate, a float32 scalar."""
        return keras.ops.convert_to_tensor(self.learning_rate, dtype="float32")

    def get_config(self) -> dict:
        """Return the arguments."""
        return {"learning_rate": self.learning_rate}


@keras.saving.register_keras_serializable(package="keras_graft")
class OneCycle(Schedule):
    """Up to a peak and down to almost nothing, each along half a cosine.

    Smith & Topin 2018 (https://arxiv.org/abs/1708.07120) with straight lines; the shape and the numbers are fastai's
    (https://docs.fast.ai/callback.schedule.html#learner.fit_one_cycle). Momentum stays as it is.
    """

    def __init__(self, peak: float, num_steps: int):
        self.peak, self.num_steps = peak, num_steps

    def __call__(self, step: object) -> object:
        """Return the rate at a step, a float32 scalar."""
        position = keras.ops.minimum(keras.ops.cast(step, "float32") / self.num_steps, 1.0)
        up = _half_cosine(self.peak * _FIRST, self.peak, position / _UP)
        down = _half_cosine(self.peak, self.peak * _LAST, (position - _UP) / (1 - _UP))
        return keras.ops.where(position < _UP, up, down)

    def get_config(self) -> dict:
        """Return the arguments."""
        return {"peak": self.peak, "num_steps": self.num_steps}


@keras.saving.register_keras_serializable(package="keras_graft")
class WarmUp(Schedule):
    """In a straight line to another schedule's first rate, then that schedule from its beginning.

    Goyal et al. 2017, section 2.2 (https://arxiv.org/abs/1706.02677). The line begins at 0 before the first step: step
    i of n has (i + 1) / n of the rate, for a step at 0 would be wasted, and Ftrl divides by its rate.
    """

    def __init__(self, schedule: Schedule, num_steps: int):
        self.schedule, self.num_steps = schedule, num_steps

    def __call__(self, step: object) -> object:
        """Return the rate at a step, a float32 scalar."""
        step = keras.ops.cast(step, "float32")
        rising = self.schedule(keras.ops.zeros_like(step)) * (step + 1) / self.num_steps
        return keras.ops.where(
            step < self.num_steps, rising, self.schedule(keras.ops.maximum(step - self.num_steps, 0.0))
        )

    def get_config(self) -> dict:
        """Return the arguments, the inner schedule as Keras serializes it."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "num_steps": self.num_steps}

    @classmethod
    def from_config(cls, config: dict) -> "WarmUp":
        """Return what `get_config` described."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["num_steps"])


def learning_rate_schedule(
    config: FinetuneConfig, *, learning_rate: float, steps_per_epoch: float, epochs: int
) -> Schedule:
    """Return the learning rate for each step of a phase, counted from 0.

    Schedule "plateau" is constant here; `Plateau` lowers it.

    Args:
        config: schedule, warmup_epochs, decay_factor, decay_epochs, end_factor.
        learning_rate: the highest of the phase.
        steps_per_epoch: updates of the weights, which are fewer than batches where gradients are accumulated; may have
            a fraction.
        epochs: of the phase.

    Returns:
        From a step, an integer tensor, to a float32 scalar. After the phase's last step it stays near the last rate
        (cosine_restarts begins again).

    Example:
        >>> rates = learning_rate_schedule(make_config({}), learning_rate=0.1, steps_per_epoch=10, epochs=3)
        >>> float(rates(29))
        0.1
    """
    warm_up = round(config.warmup_epochs * steps_per_epoch)
    rest = max(1, round(steps_per_epoch * epochs) - warm_up)
    decay = rest / 3 if config.decay_epochs is None else config.decay_epochs * steps_per_epoch
    name = "constant" if config.schedule == "auto" else config.schedule
    schedule = _MAKERS[name](config, learning_rate, rest, max(1, round(decay)))
    return WarmUp(schedule, warm_up) if warm_up else schedule


def _step(config: FinetuneConfig, rate: float, rest: int, decay: int) -> Schedule:
    # PiecewiseConstantDecay compares with the last step before a change; it makes an operation for each boundary
    changes = range(decay, rest, decay)
    if len(changes) > 100 or not changes:
        return keras.optimizers.schedules.ExponentialDecay(rate, decay, config.decay_factor, staircase=True)
    values = [rate * config.decay_factor**count for count in range(len(changes) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay([change - 1 for change in changes], values)


def _exponential(config: FinetuneConfig, rate: float, rest: int, decay: int) -> Schedule:
    return keras.optimizers.schedules.ExponentialDecay(rate, decay, config.decay_factor)


def _inverse_time(config: FinetuneConfig, rate: float, rest: int, decay: int) -> Schedule:
    return keras.optimizers.schedules.InverseTimeDecay(rate, decay, config.decay_factor)


def _polynomial(config: FinetuneConfig, rate: float, rest: int, decay: int) -> Schedule:
    return keras.optimizers.schedules.PolynomialDecay(rate, rest, end_learning_rate=rate * config.end_factor)


def _cosine(config: FinetuneConfig, rate: float, rest: int, decay: int) -> Schedule:
    return keras.optimizers.schedules.CosineDecay(rate, rest, alpha=config.end_factor)


def _cosine_restarts(config: FinetuneConfig, rate: float, rest: int, decay: int) -> Schedule:
    # each period twice as long as the one before: a third of the phase and the two that are left fill it
    return keras.optimizers.schedules.CosineDecayRestarts(rate, decay, t_mul=2.0, alpha=config.end_factor)


_MAKERS: dict[str, Callable[[FinetuneConfig, float, int, int], Schedule]] = {
    "constant": lambda config, rate, rest, decay: Constant(rate),
    "plateau": lambda config, rate, rest, decay: Constant(rate),
    "step": _step,
    "exponential": _exponential,
    "inverse_time": _inverse_time,
    "polynomial": _polynomial,
    "cosine": _cosine,
    "cosine_restarts": _cosine_restarts,
    "one_cycle": lambda config, rate, rest, decay: OneCycle(rate, rest),
}


def _half_cosine(first: float, last: float, share: object) -> object:
    # cos²(x / 2) is (1 + cos x) / 2 without its cancellation near the end
    return last + (first - last) * keras.ops.square(keras.ops.cos(share * (math.pi / 2)))


class Plateau:
    """Lowers the learning rate when the validation loss stands still.

    An epoch counts as better when its loss is under the best so far by one part in 10,000 of it. After `patience`
    epochs without a better one the rate is multiplied by `factor`, and the count begins anew.

    Example:
        >>> plateau = Plateau(factor=0.1, patience=2)
        >>> [plateau.after_epoch(loss) for loss in (1.0, 1.0, 1.0)]
        [1.0, 1.0, 0.1]
    """

    def __init__(self, *, factor: float, patience: int):
        self._factor, self._patience = factor, patience
        self._best, self._waited = math.inf, 0

    @classmethod
    def of(cls, config: FinetuneConfig) -> "Plateau":
        """Return that of a config: decay_factor, and decay_epochs or a third of patience, both rounded up.

        Args:
            config: its patience is decided, no None.
        """
        epochs = config.patience / 3 if config.decay_epochs is None else config.decay_epochs
        return cls(factor=config.decay_factor, patience=math.ceil(epochs))

    def after_epoch(self, val_loss: float) -> float:
        """Return by what the rate is to be multiplied now: 1.0 or the factor. NaN is not better."""
        if val_loss < self._best - _THRESHOLD * abs(self._best) or math.isinf(self._best) and val_loss < self._best:
            self._best, self._waited = val_loss, 0
            return 1.0
        self._waited += 1
        if self._waited < self._patience:
            return 1.0
        self._waited = 0
        return self._factor

    def state(self) -> dict[str, float]:
        """Return what a resumed run needs, as finite numbers; without "best" before the first epoch."""
        return {"waited": self._waited} | ({"best": self._best} if math.isfinite(self._best) else {})

    def restore(self, state: dict[str, float]) -> None:
        """Go on from a state."""
        self._best, self._waited = state.get("best", math.inf), int(state["waited"])
