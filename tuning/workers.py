"""Trials in processes of this machine: one that dies takes its trial with it, and nothing else."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from finetune.cli_parts import stderr_held_back
from tuning.job import Job, Runner
from tuning.trial import Trial
from zoo.errors import ConfigError

# TensorFlow reads the first two when it begins to compute, the libraries below it the others.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# A worker between two steps of a trial stops at once; one that computes features for minutes is killed.
_SECONDS_TO_STOP = 5


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: Job | None = field(default=None)
    proven: bool = False


class Workers:
    """Runs jobs in `slots` processes, which are started when they are needed and share out the cores."""

    at_once = False

    def __init__(self, runner: Runner, count: int, *, cores: int | None = None):
        """Make ready.

        Args:
            runner: goes to each process once.
            count: of processes.
            cores: that they share; None for all.

        Raises:
            ConfigError: the runner cannot be sent to another process.
        """
        self.slots = count
        self._threads = max(1, (cores or usable_cores()) // count)
        try:
            self._runner = pickle.dumps(runner)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"workers cannot be sent what they are to run ({error}); define the function in a module, or leave "
                f"workers out"
            ) from error
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            self._bury(worker)
        self._workers.clear()

    @property
    def busy(self) -> int:
        """How many jobs are not done."""
        return sum(worker.job is not None for worker in self._workers)

    def submit(self, job: Job) -> None:
        """Give a job to a process that has none, or to a new one."""
        idle = next((worker for worker in self._workers if worker.job is None), None) or self._start()
        idle.job = job
        try:
            idle.connection.send(job)
        except OSError:
            # it has died since its last job: `results` will find that out
            return

    def results(self) -> Iterator[Trial]:
        """Yield trials that have ended; at least one where any is at work."""
        at_work = {worker.connection: worker for worker in self._workers if worker.job is not None}
        for connection in wait(list(at_work)):
            worker = at_work[connection]
            job, worker.job = worker.job, None
            try:
                trial = connection.recv()
                worker.proven = True
            except (EOFError, OSError):
                self._workers.remove(worker)
                self._bury(worker)
                trial = replace(job.trial, status="failed", error=_cause(worker), again=True)
            yield trial

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self._runner, self._threads), daemon=True)
        process.start()
        # the only other end must be the child's, or its death would not be seen
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _bury(self, worker: _Worker) -> None:
        worker.process.join(_SECONDS_TO_STOP)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.connection.close()


def usable_cores() -> int:
    """Return how many cores this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def serve(connection: Connection, runner: bytes, threads: int) -> None:
    """Run jobs until the connection ends; what a worker process does.

    Args:
        connection: gives jobs, takes trials.
        runner: pickled, so that nothing heavy is imported before the number of threads is settled.
        threads: to compute with.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr_held_back():
        run = pickle.loads(runner)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(run(job))


def _die_with_parent() -> None:
    """End this process when the one that started it has ended, in whatever way."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _cause(worker: _Worker) -> str:
    code = worker.process.exitcode
    how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    hint = "" if worker.proven else "; a script that searches needs `if __name__ == '__main__':` around that"
    return f"its process died ({how}{'' if code and code < 0 else hint})"
