"""The group stage: drafts to numbered documents, linked with what belongs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from detector.alert import Alert, AlertDraft
from detector.alerting.document import AlertWriter, Earlier
from detector.alerting.linking import WINDOW_NS, links_of
from detector.errors import StateError
from detector.stateversion import opened, sealed
from detector.task import LogRecord, Output, Tick

MAX_EARLIER = 20
MAX_ALERTS = 100_000
"""Alerts kept for linking; a flood must not fill memory."""

KEPT_NS = 2 * WINDOW_NS


class _Known(msgspec.Struct):
    """An alert that later ones may be linked to.

    Attributes:
        draft: Its last draft.
        links: What links it to others.
        revision: Number of the document written last.
        group_id: As in that document.
        bundle: Hash of the rules that decided the draft; a link may be found under later ones.
        earlier: As in that document.
    """

    draft: AlertDraft
    links: frozenset[str]
    revision: int = 0
    group_id: str = ""
    bundle: str = ""
    earlier: tuple[str, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Known)


class GroupTask:
    """Numbers revisions and gives linked alerts the id of the earliest as `group_id`.

    Links depend on the alerts only, not on the order in which they come: an alert that joins two groups raises a
    revision of each whose group changed.

    Args:
        writer: Writes the documents.
    """

    def __init__(self, writer: AlertWriter) -> None:
        self._writer = writer
        self._known: dict[str, _Known] = {}
        self._by_link = defaultdict[str, set[str]](set)
        self._dirty: set[str] = set()
        self._newest_ns = 0

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Take drafts; of several revisions in one batch each is numbered."""
        outputs = list[Output]()
        for record in records:
            if isinstance(record, AlertDraft):
                outputs.extend(self._take(record))
            elif isinstance(record, Tick):
                self._prune()
        return outputs

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield alerts that changed since the last call."""
        for alert_id in sorted(self._dirty):
            known = self._known.get(alert_id)
            yield alert_id.encode(), None if known is None else sealed(_encoder.encode(known))
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one alert."""
        try:
            self._put(key.decode(), _decoder.decode(opened(f"group state {key!r}", state)))
            self._dirty.discard(key.decode())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"group state {key!r} cannot be read: {error}") from error

    def restored(self) -> None:
        """Nothing waits for the end of the restore."""

    def succeed(self, before: GroupTask) -> None:
        """Go on, under other rules, with the alerts of the task before, which must not be used any more."""
        self._known, self._by_link = before._known, before._by_link
        self._dirty, self._newest_ns = before._dirty, before._newest_ns
        self._writer.succeed(before._writer)

    def _take(self, draft: AlertDraft) -> list[Alert]:
        before = self._known.get(draft.alert_id)
        if before is not None and before.draft == draft:
            return []
        touched = {draft.alert_id, *self._group_of(draft.alert_id)} if before is not None else {draft.alert_id}
        self._remove(draft.alert_id)
        revision = 0 if before is None else before.revision
        links = frozenset[str]() if self._writer.meta(draft.rule_id).is_test else links_of(draft)
        self._put(draft.alert_id, _Known(draft, links, revision, bundle=draft.bundle or self._writer.bundle))
        self._newest_ns = max(self._newest_ns, draft.ready_ns)
        touched |= self._group_of(draft.alert_id)
        return [alert for alert_id in sorted(touched) if (alert := self._revise(alert_id, draft.alert_id)) is not None]

    def _revise(self, alert_id: str, cause: str) -> Alert | None:
        known = self._known[alert_id]
        members = self._group_of(alert_id)
        group_id = min((self._known[each].draft.opened_ns, each) for each in members)[1]
        earlier = self._earlier(alert_id)
        ids = tuple(each.id for each in earlier)
        if alert_id != cause and known.group_id == group_id and known.earlier == ids:
            return None
        known.group_id, known.earlier = group_id, ids
        known.revision += 1
        self._dirty.add(alert_id)
        document: dict[str, Any] = self._writer.to_document(known.draft, known.revision, group_id, earlier)
        document["convergence"]["bundle"] = known.bundle or self._writer.bundle
        return Alert(alert_id, known.revision, document)

    def _neighbours(self, alert_id: str) -> set[str]:
        known = self._known[alert_id]
        return {
            other
            for link in known.links
            for other in self._by_link[link]
            if other != alert_id and abs(self._known[other].draft.opened_ns - known.draft.opened_ns) <= WINDOW_NS
        }

    def _group_of(self, alert_id: str) -> set[str]:
        found = {alert_id}
        frontier = [alert_id]
        while frontier:
            for other in self._neighbours(frontier.pop()) - found:
                found.add(other)
                frontier.append(other)
        return found

    def _earlier(self, alert_id: str) -> list[Earlier]:
        mine = (self._known[alert_id].draft.opened_ns, alert_id)
        found = [
            (self._known[other].draft.opened_ns, other)
            for other in self._neighbours(alert_id)
            if (self._known[other].draft.opened_ns, other) < mine
        ]
        earlier = list[Earlier]()
        for opened_ns, other in sorted(found)[-MAX_EARLIER:]:
            meta = self._writer.meta(self._known[other].draft.rule_id)
            earlier.append(Earlier(other, str(meta.custom.get("code", meta.name)), meta.title, opened_ns))
        return earlier

    def _put(self, alert_id: str, known: _Known) -> None:
        self._known[alert_id] = known
        self._dirty.add(alert_id)
        for link in known.links:
            self._by_link[link].add(alert_id)

    def _remove(self, alert_id: str) -> None:
        known = self._known.pop(alert_id, None)
        if known is None:
            return
        self._dirty.add(alert_id)
        for link in known.links:
            self._by_link[link].discard(alert_id)
            if not self._by_link[link]:
                del self._by_link[link]

    def _prune(self) -> None:
        """Forget alerts that nothing new can be linked to."""
        old = [key for key, known in self._known.items() if known.draft.ready_ns < self._newest_ns - KEPT_NS]
        if len(self._known) - len(old) > MAX_ALERTS:
            by_age = sorted(self._known, key=lambda key: self._known[key].draft.ready_ns)
            old = by_age[: len(by_age) - MAX_ALERTS]
        for key in old:
            self._remove(key)
