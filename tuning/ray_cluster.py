"""Trials as tasks of a Ray cluster; what proposes stays in this process, and a worker that dies loses nothing."""

import importlib
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

from tuning.job import Job, Runner
from tuning.trial import Trial
from tuning.workers import THREADS, usable_cores
from zoo.errors import ConfigError

LOCAL = "local"
_PORT, _SECONDS_TO_ANSWER = re.compile(r"(ray://)?(?P<host>[^/]+):(?P<port>\d+)"), 10
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class RayCluster:
    """Runs jobs as Ray tasks, `slots` at a time.

    Every machine of the cluster needs this package, the data under the same path, and the directory of the study, which
    weights of good trials are written to.
    """

    at_once = False

    def __init__(self, runner: Runner, address: str, *, slots: int | None = None):
        """Connect to a cluster.

        Args:
            runner: goes to each worker once.
            address: of the cluster, as `ray.init` takes it; "local" starts Ray on this machine.
            slots: trials at a time; None for as many as the cluster has cores for, two each.

        Raises:
            ConfigError: Ray is not installed, or the cluster does not answer.
        """
        self._ray, self._runner = _ray(), runner
        self._jobs: dict[object, Job] = {}
        _require_answer(address)
        how = {"num_cpus": slots} if address == LOCAL and slots else {}
        try:
            self._ray.init(address=address, log_to_driver=False, include_dashboard=False, **how)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(f"cluster {address!r}: does not answer ({error})") from error
        self.slots = slots or max(1, int(self._ray.cluster_resources().get("CPU", 1)) // 2)
        cores = usable_cores() if address == LOCAL else int(self._ray.cluster_resources().get("CPU", 1))
        threads = {"env_vars": dict.fromkeys(THREADS, str(max(1, cores // self.slots)))}
        # a dead worker is seen here, counted and written down; Ray is not to try again by itself
        self._task = self._ray.remote(max_retries=0, num_cpus=1, runtime_env=threads)(_run)
        self._sent = self._ray.put(runner)

    def __enter__(self) -> "RayCluster":
        return self

    def __exit__(self, *exception: object) -> None:
        self._ray.shutdown()

    @property
    def busy(self) -> int:
        """How many jobs are not done."""
        return len(self._jobs)

    def submit(self, job: Job) -> None:
        """Give a job to the cluster."""
        self._jobs[self._task.remote(self._sent, job)] = job

    def results(self) -> Iterator[Trial]:
        """Yield trials that have ended; at least one where any is at work."""
        if not self._jobs:
            return
        done, _ = self._ray.wait(list(self._jobs), num_returns=1)
        for reference in done:
            job = self._jobs.pop(reference)
            try:
                yield self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                said = f"its worker died: {_ANSI.sub('', str(error)).strip().splitlines()[-1]}"
                yield replace(job.trial, status="failed", error=said, again=True)


def _run(runner: Runner, job: Job) -> Trial:
    return runner(job)


def _require_answer(address: str) -> None:
    """Refuse a port where nobody listens, at which Ray itself would try again for minutes.

    Raises:
        ConfigError: the machine or the port does not answer.
    """
    found = _PORT.fullmatch(address)
    if found:
        try:
            socket.create_connection((found["host"].strip("[]"), int(found["port"])), _SECONDS_TO_ANSWER).close()
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cluster {address!r}: does not answer ({error})") from error


def _ray() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError("--cluster needs Ray: pip install 'keras-graft[cluster]'") from error
