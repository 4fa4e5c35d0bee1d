"""Which learning rate? A range test of a phase of a run, on what the run would learn from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.config import FinetuneConfig
from finetune.data.findings import refuse_errors
from finetune.data.given import Given
from finetune.learning import Curriculum, Lesson, Ready, begin, learn_phase, make_ready
from finetune.preparing import check_and_deal, open_data, read_request
from finetune.progress import Reporter
from finetune.recipe import run_stem, say_plan
from finetune.report.rate_plot import TITLE, rate_curve
from finetune.training.epochs import Course
from finetune.training.fit import compile_for
from finetune.training.lr_finder import Curve, num_updates, range_test
from finetune.training.lr_suggestion import Suggestion, suggest
from finetune.training.precision import computing_in
from finetune.transfer.methods import Phase
from zoo.atomic import write_atomic
from zoo.errors import ConfigError, ResourceError, nearest


@dataclass(frozen=True)
class RateTest:
    """What a range test of learning rates found.

    Attributes:
        phase: that was tested.
        now: learning rate of the phase as it is set.
        curve: loss over rates.
        suggestion: a rate and its reason.
        settings: what gives a run the suggested rate, such as {"learning_rate": 0.002}; all phases where they are one's
            own; empty without a suggestion.
    """

    phase: str
    now: float
    curve: Curve
    suggestion: Suggestion
    settings: Mapping[str, object]

    @property
    def rate(self) -> float | None:
        """The suggested rate of the phase, or None where the curve shows none."""
        return self.suggestion.rate

    def draw(self) -> bytes:
        """Return the curve as PNG."""
        return rate_curve(self.curve, self.rate, now=self.now, phase=self.phase)

    def write_plot(self, path: str | Path) -> None:
        """Write the curve as PNG.

        Raises:
            ConfigError: the place is taken by another file than such a picture, or there is no such folder.
            ResourceError: it cannot be written.
        """
        require_free(path)
        try:
            write_atomic(Path(path), self.draw())
        except OSError as error:
            raise ResourceError(f"{path}: cannot be written ({error.strerror}); choose another --plot FILE") from error

    def as_json(self) -> dict[str, object]:
        """Return everything but the picture as JSON values."""
        return {
            "phase": self.phase,
            "learning_rate_now": self.now,
            "suggestion": self.rate,
            "reason": self.suggestion.reason,
            "others": dict(self.suggestion.others),
            "settings": dict(self.settings),
            "diverged": self.curve.diverged,
            "rates": list(self.curve.rates),
            "losses": list(self.curve.losses),
            "smoothed": list(self.curve.smoothed),
        }


def find_learning_rate(
    data: object,
    y: object = None,
    *,
    phase: str | int = 1,
    plot: str | Path | None = None,
    verbose: int = 1,
    **settings: object,
) -> RateTest:
    """Find a learning rate for `finetune.fit`: let it grow while the network learns, and see where the loss falls.

    Nothing is kept but the picture, where one is asked for, and what later runs reuse (features in the cache).

    Args:
        data: as for `finetune.fit`.
        y: targets, where `data` is an array.
        phase: of the method, by name or number from 1; those before it are trained first, as a run would.
        plot: file for the curve as PNG; None writes none.
        verbose: 0 is silent, 1 draws progress bars, 2 prints lines.
        **settings: any field of `FinetuneConfig`, as for the run that the rate is for.

    Raises:
        ConfigError: impossible settings, no such phase, or a place for the picture that is taken.
        DataError: the data cannot be trained on as they are.
        ModelFileError: the weights are not at hand or damaged.

    Example:
        >>> test = find_learning_rate("data/fashion-mini", model="efficientnet_lite0")  # doctest: +SKIP
        >>> fit("data/fashion-mini", model="efficientnet_lite0", **test.settings)  # doctest: +SKIP
    """
    config, given = read_request(data, y, settings)
    if plot is not None:
        require_free(plot)
    test = run_rate_test(config, Reporter(verbose), phase=phase, given=given)
    if plot is not None:
        test.write_plot(plot)
    return test


def run_rate_test(
    config: FinetuneConfig, reporter: Reporter, *, phase: str | int = 1, given: Given | None = None
) -> RateTest:
    """Carry out one range test; errors are those of `find_learning_rate`."""
    prepared = check_and_deal(open_data(config, given), reporter)
    refuse_errors(prepared.findings, strict=config.strict)
    kind, data = prepared.kind, prepared.data
    say_plan(reporter, kind.NOUN, prepared.described, prepared.decisions)
    config = prepared.config.model_copy(update={"data": data.examples.root})
    trunk = kind.build_trunk(config, data, prepared.splits)
    lesson = Lesson(kind, config, kind.lighten(data), reporter)
    course = begin(lesson, trunk, prepared.splits)
    number, progress = _number(course.phases, phase), None
    for earlier in range(number):
        _, progress = learn_phase(lesson, course, earlier, before=progress, title="training")
    ready = make_ready(lesson, course, number)
    curve = _measure(lesson, ready, first_epoch=progress.rows[-1]["epoch"] if progress else 0)
    found = suggest(curve)
    return RateTest(ready.phase.name, ready.phase.learning_rate, curve, found, _settings(config, course, number, found))


def default_plot(data: str) -> Path:
    """Return where the picture is written when nothing is said: DATA-lr.png in the current folder."""
    return Path(f"{run_stem(str(Path(data).absolute()) if Path(data).exists() else data)}-lr.png")


def require_free(path: str | Path) -> None:
    """Refuse a place for the picture that is taken by something else.

    Raises:
        ConfigError: it is no .png file, its folder is missing, or another file than an earlier such picture is there.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ConfigError(f"--plot {path}: the picture is a PNG; give it a name that ends in .png")
    if not path.parent.is_dir():
        raise ConfigError(f"--plot {path}: there is no folder {path.parent}; make it first")
    if path.is_dir() or path.is_file() and TITLE.encode() not in _head(path):
        raise ConfigError(f"--plot {path}: is there and no picture of lr-find; choose another name, or move it away")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1000)
    except OSError as error:
        raise ConfigError(f"--plot {path}: is there and cannot be read ({error.strerror}); choose another") from error


def _number(phases: tuple[Phase, ...], wanted: str | int) -> int:
    """Return the number from 0 of a phase, by its name or its number from 1."""
    names = [phase.name for phase in phases]
    if str(wanted) in names:
        return names.index(str(wanted))
    if str(wanted).isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    listed = ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
    raise ConfigError(f"there is no phase {wanted!r}; those of the method are: {listed}.{nearest(str(wanted), names)}")


def _measure(lesson: Lesson, ready: Ready, *, first_epoch: int) -> Curve:
    # the test sets every rate itself, as a factor of 1
    flat = lesson.config.model_copy(update={"schedule": "constant", "warmup_epochs": 0.0})
    phase = replace(ready.phase, learning_rate=1.0)
    lessons = compile_for(ready.model, ready.material, flat, phase, ready.rates)
    course = Course(flat.batch_size, phase.epochs, phase.patience, flat.seed, phase.name, first_epoch)
    steps = flat.accumulation_steps
    updates = num_updates(len(lessons.train), flat.batch_size, steps)
    with (
        computing_in(ready.model, flat.precision),
        lesson.reporter.track("trying learning rates", updates, unit="updates") as advance,
    ):
        return range_test(ready.model, lessons, course, accumulation_steps=steps, advance=advance)


def _settings(config: FinetuneConfig, course: Curriculum, number: int, found: Suggestion) -> dict[str, object]:
    """Return the setting by which a run takes the rate in the phase."""
    if found.rate is None:
        return {}
    if config.phases:
        phases = [phase.model_dump(mode="json", exclude_none=True) for phase in config.phases]
        phases[number]["learning_rate"] = found.rate
        return {"phases": phases}
    if number:
        # the rate before it is settled; what moves this one alone is the factor, which is 1 at most
        return {"fine_tune_factor": float(f"{min(1.0, found.rate / config.learning_rate):.2g}")}
    factor = course.phases[0].learning_rate / config.learning_rate
    return {"learning_rate": float(f"{min(10.0, found.rate / factor):.2g}")}
