"""Deletes what sinks have stored when its time is over or its account wants it gone, and writes that down.

Everything here blocks.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec
import structlog

from ..audit.chain import About, BrokenChainError, Entry
from ..audit.log import AuditLog
from ..model.ids import StreamId
from ..model.reasons import Outcome
from ..model.retention import Retention
from ..model.signals import AppDeauthorized
from ..sinks.base import DeletionCause, Ending, Kept, Store, StreamInfo
from ..vault.files import delete, is_encrypted

_REQUESTED, _CARRIED_OUT = "app_deauthorized", "deauthorization_completed"
_BEGUN, _DELETED, _FAILED = "deletion_begun", "stream_deleted", "deletion_failed"
_ERASED = "stream_erased"

_log = structlog.get_logger()


class Removal(msgspec.Struct, frozen=True):
    """What was deleted of one stream, or would be."""

    sink: str
    kept: Kept
    files: int = 0
    bytes: int = 0


class Keeper:
    """Looks after what sinks have stored.

    Args:
        stores: by the name of their sink.
        policies: by app; what is of an app that is not here stays.
        audit: None: nothing is written down.
        unix_ms: the wall clock.
        captures: the capture files of a stream, which go with what is deleted of it.
        deleted: told of everything that was deleted, in the thread that did it.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        policies: Mapping[str, Retention],
        audit: AuditLog | None,
        unix_ms: Callable[[], int],
        captures: Callable[[StreamId], Sequence[Path]] = lambda _: (),
        deleted: Callable[[Removal, DeletionCause], None] = lambda _removal, _cause: None,
    ) -> None:
        self._stores = stores
        self._policies = policies
        self._audit = audit
        self._unix_ms = unix_ms
        self._captures = captures
        self._tell_deleted = deleted

    @property
    def has_work(self) -> bool:
        """Whether anything is ever over."""
        return any(policy.days is not None for policy in self._policies.values())

    def sweep(self, live: Collection[StreamId] = (), *, dry_run: bool = False) -> list[Removal]:
        """Delete what is over, and complete deletions that were begun.

        Args:
            live: the streams that run; what is stored of them stays.
            dry_run: only say what would be deleted.
        """
        if not dry_run:
            self._settle()
        now_ms = self._unix_ms()
        over = [
            (sink, kept)
            for sink, kept in self._kept(live)[0]
            if self._policies.get(kept.app, Retention()).is_over(kept.ended_ms, now_ms)
        ]
        if dry_run:
            return [Removal(sink, kept) for sink, kept in over]
        return list(self._deleted(over, "retention"))

    def complete(self) -> None:
        """Carry out the deletions that a killed process has begun, and write down each that it could not. For
        whoever alone has the audit log, before anything else is deleted.
        """
        self._settle()
        entries = self._of(_BEGUN, _DELETED, _FAILED)
        done = {entry.about.get("begun") for entry in entries}
        open_ones = [entry for entry in entries if entry.action == _BEGUN and entry.seq not in done]
        if not open_ones:
            return
        left = {(sink, kept.place, str(kept.stream_id)): kept for sink, kept in self._kept(())[0]}
        for entry in open_ones:
            about = entry.about
            sink = str(about["sink"])
            # Only what a store finds itself is touched, whatever path the log may name.
            kept = left.get((sink, str(about["place"]), str(about["stream_id"])))
            if kept is None:  # how much it was, the killed process knew
                self.note(_DELETED, {**about, "begun": entry.seq})
            else:
                list(self._deleted([(sink, kept)], cast(DeletionCause, about["cause"]), entry.seq))

    def deauthorization_requested(self, signal: AppDeauthorized) -> int:
        """Write it down before anybody is told that it was heard; the number of the line.

        Raises OSError or BrokenChainError if that is not possible.
        """
        about: About = {
            "app": signal.app,
            "account_id": signal.account_id,
            "user_id": signal.user_id,
            "event_ts_ms": signal.event_ts_ms,
        }
        return self._audit.append(self._unix_ms(), _REQUESTED, about).seq if self._audit else 0

    def deauthorize(self, signal: AppDeauthorized, live: Collection[StreamId] = ()) -> bool:
        """Delete what the app has stored of the account until then; of ``live`` streams, their sinks do it.
        What a killed process was just deleting goes too.

        What does not say whose account it is counts as this one's.

        Returns:
            Whether everything could be deleted.
        """
        is_settled = self._settle()
        all_kept, is_known = self._kept(live)
        mine = [
            (sink, kept)
            for sink, kept in all_kept
            if kept.app == signal.app
            and kept.account_id in ("", signal.account_id)
            and kept.started_ms <= signal.event_ts_ms
        ]
        return len(list(self._deleted(mine, "deauthorized"))) == len(mine) and is_settled and is_known

    def delete_stream(self, stream_id: StreamId, by: str) -> tuple[list[Removal], bool]:
        """Delete what is stored of one stream, since somebody asked for it.

        Args:
            stream_id: of a stream that does not run.
            by: who asked.

        Returns:
            What was deleted, and whether that is all there was.
        """
        all_kept, is_known = self._kept(())
        mine = [(sink, kept) for sink, kept in all_kept if kept.stream_id == stream_id]
        self.note("deletion_requested", {"stream_id": stream_id, "by": by})
        removals = list(self._deleted(mine, "requested"))
        try:
            for path in self._captures(stream_id):
                delete(path)
        except OSError as error:
            _log.error("DeletionFailed", stream_id=stream_id, reason=error.strerror or str(error))
            return removals, False
        return removals, len(removals) == len(mine) and is_known

    def captured(self, stream_id: StreamId) -> int:
        """How many captures there are of a stream."""
        return sum(path.exists() for path in self._captures(stream_id))

    def deauthorization_completed(self, number: int) -> None:
        """Write down that everything is gone which the request of this number was about."""
        self.note(_CARRIED_OUT, {"request": number})

    def open_deauthorizations(self) -> list[tuple[int, AppDeauthorized]]:
        """Those that were written down and not completed, by the number of their line; none if that cannot be
        read, which is said in the log.
        """
        try:
            is_one_open = self._audit is not None and self._audit.speaks_of(_REQUESTED)
            entries = self._audit.entries() if self._audit and is_one_open else []
        except (OSError, BrokenChainError) as error:
            _log.error("AuditFailed", action="read", reason=str(error))
            return []
        done = {entry.about["request"] for entry in entries if entry.action == _CARRIED_OUT}
        return [
            (
                entry.seq,
                AppDeauthorized(
                    str(entry.about["app"]),
                    int(entry.about["event_ts_ms"]),
                    str(entry.about["account_id"]),
                    str(entry.about["user_id"]),
                ),
            )
            for entry in entries
            if entry.action == _REQUESTED and entry.seq not in done
        ]

    def stream_ended(self, stream: StreamInfo, ending: Ending) -> None:
        """Write down what is there of a stream that is over, or that it was erased."""
        reason = ending.stop_reason
        about: About = {"stream_id": stream.stream_id, "app": stream.app, "stop_reason": int(reason)}
        if reason.outcome is Outcome.ERASE:
            # Of a stream that was taken up, a killed process may have written it down already.
            if not (stream.resumed and self._is_erased(stream.stream_id)):
                self.note(_ERASED, {**about, "cause": "revoked"})
            return
        for sink, store in self._stores.items():
            try:
                proof = store.proof(stream)
            except OSError as error:
                why = error.strerror or str(error)
                _log.error("AuditFailed", action="stream_stored", stream_id=stream.stream_id, reason=why)
                continue
            for place, digest in proof.items():
                self.note("stream_stored", {**about, "sink": sink, "place": place, "sha256": digest})

    def note(self, action: str, about: About) -> int:
        """Add a line to the audit log, and return its number; 0: there is none. That it cannot be written keeps
        nothing from being deleted.
        """
        try:
            if self._audit:
                return self._audit.append(self._unix_ms(), action, about).seq
        except (OSError, BrokenChainError) as error:
            _log.error("AuditFailed", action=action, reason=str(error))
        return 0

    def _of(self, *actions: str) -> list[Entry]:
        """The lines of the audit log with these actions; none if it cannot be read, which is said in the log."""
        try:
            return self._audit.entries_of(*actions) if self._audit else []
        except (OSError, BrokenChainError) as error:
            _log.error("AuditFailed", action="read", reason=str(error))
            return []

    def _is_erased(self, stream_id: StreamId) -> bool:
        return any(one.about.get("stream_id") == stream_id for one in self._of(_ERASED))

    def _settle(self) -> bool:
        """Complete what was begun, and return whether that was possible."""
        is_settled = True
        for sink, store in self._stores.items():
            try:
                store.settle()
            except OSError as error:
                _log.error("DeletionFailed", sink=sink, reason=error.strerror or str(error))
                is_settled = False
        return is_settled

    def _kept(self, live: Collection[StreamId]) -> tuple[list[tuple[str, Kept]], bool]:
        """What there is but of ``live`` streams, and whether that is all: a store that cannot be read hides
        nothing of another.
        """
        found: list[tuple[str, Kept]] = []
        is_known = True
        for sink, store in self._stores.items():
            try:
                found += ((sink, kept) for kept in store.kept() if kept.stream_id not in live)
            except OSError as error:
                _log.error("DeletionFailed", sink=sink, reason=error.strerror or str(error))
                is_known = False
        return found, is_known

    def _deleted(
        self, all_kept: Sequence[tuple[str, Kept]], cause: DeletionCause, begun: int = 0
    ) -> Iterator[Removal]:
        """Delete one after the other; what cannot be deleted keeps nothing else from it.

        Each is written down before, so that a killed process leaves word of what is to be completed, and after.
        ``begun`` is the line of before, if there is one.
        """
        for sink, kept in all_kept:
            about: About = {
                "stream_id": kept.stream_id,
                "app": kept.app,
                "sink": sink,
                "place": kept.place,
                "cause": cause,
            }
            if is_encrypted(Path(kept.place)):
                about["encrypted"] = 1  # its key is destroyed with it
            number = begun or self.note(_BEGUN, about)
            try:
                files, size = self._stores[sink].delete(kept, cause, self._unix_ms())
                for path in self._captures(kept.stream_id):
                    delete(path)
            except OSError as error:
                _log.error(
                    "DeletionFailed", sink=sink, stream_id=kept.stream_id, reason=error.strerror or str(error)
                )
                self.note(_FAILED, {**about, "begun": number})
                continue
            self.note(_DELETED, {**about, "begun": number, "files": files, "bytes": size})
            _log.info("StreamDeleted", sink=sink, stream_id=kept.stream_id, reason=cause, files=files)
            removal = Removal(sink, kept, files, size)
            self._tell_deleted(removal, cause)
            yield removal
