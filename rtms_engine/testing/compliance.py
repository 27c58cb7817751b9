"""The contract of sinks (`rtms_engine.sinks.base`) as checks that anybody can run against theirs.

::

    async def test_my_sink(tmp_path):
        await check_sink(lambda: MySink(tmp_path), stored_in=tmp_path)

or, for a test of its own for each clause::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    async def test_my_sink(check, tmp_path):
        await check_sink(SinkConfig("my_package:MySink", options={…}), stored_in=tmp_path, checks=[check])

Without pytest-asyncio, put ``asyncio.run(…)`` around it.
"""

import inspect
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..stream.sink_call import CutShort
from .checks import CHECKS, BrokenClause, Check
from .trial import VERB_S, Subject, Trial, on_trial, ready_of


class Finding(msgspec.Struct, frozen=True):
    """What became of one check; ``problem`` is empty if the sink keeps the clause."""

    check: Check
    problem: str


class Report(msgspec.Struct, frozen=True):
    """What became of all checks."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The clauses that the sink does not keep."""
        return tuple(finding for finding in self.findings if finding.problem)

    def __str__(self) -> str:
        lines = [f"{self.subject}: {len(self.failed)} of {len(self.findings)} checks failed"]
        for finding in self.findings:
            lines.append(f"  {'FAILED' if finding.problem else 'ok':<6}  {finding.check.name}")
            if finding.problem:
                lines.append(f"          the contract: {finding.check.clause}")
                lines.append(f"          this sink:    {finding.problem}")
        return "\n".join(lines)


class NotCompliant(AssertionError):
    """The sink does not keep the contract; ``report`` says where."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)


async def check_sink(
    subject: Subject,
    *,
    stored_in: Path | None = None,
    checks: Iterable[Check] | None = None,
) -> Report:
    """Check that a sink keeps the contract.

    Args:
        subject: see `Subject`.
        stored_in: a directory, the only one that the sink writes to; it is emptied before each check.
            None: the sink stores no files, and what it stores elsewhere is not looked at.
        checks: which ones; None: all of `CHECKS`.

    Raises:
        NotCompliant: with the whole report, if any check failed.
        ConfigError: the subject cannot be made ready.
    """
    ready = ready_of(subject)
    findings = []
    for check in CHECKS if checks is None else checks:
        async with on_trial(ready, stored_in) as trial:
            findings.append(Finding(check, await _problem(check, trial)))
    report = Report(ready.name, tuple(findings))
    if report.failed:
        raise NotCompliant(report)
    return report


async def _problem(check: Check, trial: Trial) -> str:
    try:
        await check.run(trial)
    except BrokenClause as problem:
        return str(problem)
    except CutShort:
        return f"a verb took more than {VERB_S:g} s"
    except Exception as error:  # noqa: BLE001 - a wall: whatever the sink raises is what the report says
        where = inspect.trace()[-1]
        return f"raised {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    return ""
