"""Progress for people: a bar with rate and time left on stderr, or nothing at all."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int], None]


class _RateColumn(ProgressColumn):
    """Steps a second since the bar was drawn: what is waited for before the first of them counts, too."""

    def render(self, task: Task) -> Text:
        seconds, steps = task.finished_time or task.elapsed, task.completed - task.fields["done"]
        return Text(f"{steps / seconds:,.0f} {task.fields['unit']}/s" if steps and seconds else "")


class Reporter:
    """Says what happens: `say` prints a line, `track` shows a bar.

    verbose 0 is silent, 1 draws bars, 2 prints lines only.
    """

    def __init__(self, verbose: int = 1):
        self.verbose = verbose
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print one line to stderr unless verbose is 0."""
        if self.verbose:
            self.console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """Print one warning to stderr, at every level of verbosity."""
        self.console.print(f"warning: {text}", markup=False)

    @contextmanager
    def track(self, title: str, total: int, unit: str = "images", *, done: int = 0) -> Iterator[Advance]:
        """Show a bar over `total` steps; yields a function that is called with the number of steps just done.

        Args:
            title: what is done.
            total: steps, those that were done before among them.
            unit: what a step is.
            done: steps that were done before, and are in no rate.
        """
        if self.verbose != 1:
            yield lambda steps: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _RateColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self.console) as progress:
            task = progress.add_task(title, total=total, unit=unit, completed=done, done=done)
            yield lambda steps: progress.update(task, advance=steps)

    @contextmanager
    def epochs(self, title: str, total: int) -> Iterator[Callable[[Mapping[str, object]], None]]:
        """Show training; yields a function that is called with each row of the history."""
        with self.track(title, total, unit="epochs") as advance:

            def on_epoch(row: Mapping[str, object]) -> None:
                advance(1)
                if self.verbose == 2:
                    told = {name: value for name, value in row.items() if "gradient_norm" not in name}
                    self.say(", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in told.items()))

            yield on_epoch
