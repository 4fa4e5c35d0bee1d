"""The doctor: every check that a run makes of its data, and no training."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from finetune.config import FinetuneConfig
from finetune.data.findings import Finding
from finetune.preparing import check_and_deal, open_data
from finetune.progress import Reporter
from zoo.errors import ConfigError, DataError


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        data: what data.json of a run would say; of data that cannot be read, "source" and "findings" alone.
        findings: errors first, then warnings, then notes.
        strict: whether warnings count as errors.
    """

    data: Mapping[str, object]
    findings: tuple[Finding, ...]
    strict: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in ("error", "warning", "note")}

    @property
    def healthy(self) -> bool:
        """Whether a run would train on the data."""
        return not self.counts["error"] and not (self.strict and self.counts["warning"])


def diagnose(config: FinetuneConfig, reporter: Reporter) -> Diagnosis:
    """Check data as a run would, with the model that it would take.

    Args:
        config: of the run; nothing is written, but what later runs reuse is kept in the cache.
        reporter: shows progress.

    Raises:
        ConfigError: a setting is impossible.
    """
    if config.data is None:
        raise ConfigError("DATA is missing: finetune doctor FOLDER, or a CSV file")
    try:
        prepared = check_and_deal(open_data(config), reporter)
        findings, described = prepared.findings, prepared.described
    # what a run could not begin with is what the doctor is asked for
    except DataError as error:
        findings = [Finding("unusable", "error", str(error))]
        described = {"source": config.data, "findings": [findings[0].as_json()]}
    skipped = described.get("skipped") or ()
    if skipped:
        places = tuple(f"{item['file']}: {item['reason']}" for item in skipped[:10])
        what = f"{len(skipped):,} left out because they cannot be used: {'; '.join(places)}"
        findings = [*findings, Finding("skipped", "warning", what, places, len(skipped))]
        described = described | {"findings": [finding.as_json() for finding in findings]}
    order = {"error": 0, "warning": 1, "note": 2}
    findings = sorted(findings, key=lambda finding: order[finding.severity])
    return Diagnosis(described, tuple(findings), config.strict)
