"""The alert document: nested ECS that an analyst reads in Kibana and a machine can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from detector.alert import AlertDraft
from detector.alerting.attack import VERSION, technique_ids, threat_fields
from detector.alerting.evidence import each_once, evidence_of, timeline_of, video_of
from detector.alerting.parties import nested, parties_of, related_of, texts_at
from detector.alerting.sentence import sentence_of
from detector.alerting.times import local, utc
from detector.rules.filters import expired
from detector.rules.model import RuleMeta, RuleSet
from normalizers.event import Value

ECS_VERSION = "9.4.0"
SEVERITY = {"informational": 1, "low": 21, "medium": 47, "high": 73, "critical": 99}
"""Elastic's values for promoted alerts, so that its columns sort alike."""

CRITICALITY = {"low": -5.0, "medium": 0.0, "high": 5.0, "critical": 10.0}
"""What the most critical asset involved adds to the risk score; the level stays the rule's."""

_VERDICTS = (
    "convergence.approval.status",
    "convergence.conduit.verdict",
    "convergence.schedule.verdict",
    "convergence.person.status",
    "convergence.source.own_egress",
)
_COPIED = ("user.", "host.", "source.", "destination.", "network.", "process.", "file.", "physical.", "ot.", "group.")
_DO_NOT_ISOLATE = "Do not isolate: safety related"


class Earlier(msgspec.Struct, frozen=True):
    """An earlier alert of the same person, session or asset."""

    id: str
    code: str
    title: str
    first_ns: int


class AlertWriter:
    """Writes documents; pure.

    Args:
        ruleset: Rules by id.
        version: Of the product.
        engine: Name of this engine, for `observer.name`.

    Attributes:
        bundle: Hash of the rules.
    """

    def __init__(self, ruleset: RuleSet, *, version: str = "", engine: str = "isthmus") -> None:
        self._metas = {
            **{rule.meta.id: rule.meta for rule in ruleset.rules.values()},
            **{rule.meta.id: rule.meta for rule in ruleset.correlations.values()},
        }
        self.bundle = ruleset.bundle_hash
        self._version = version
        self._engine = engine

    def succeed(self, before: AlertWriter) -> None:
        """Go on under other rules: what was decided under those before, and is still to be written, keeps its words."""
        self._metas = before._metas | self._metas

    def meta(self, rule_id: str) -> RuleMeta:
        """Return what is known of a rule; a rule that left the bundle keeps its id."""
        return self._metas.get(rule_id) or RuleMeta(id=rule_id, name=rule_id, title=f"(rule {rule_id} was removed)")

    def to_document(
        self, draft: AlertDraft, revision: int, group_id: str, earlier: Sequence[Earlier]
    ) -> dict[str, Any]:
        """Write one revision.

        Args:
            draft: What was found.
            revision: From 1.
            group_id: Id of the earliest alert that this one is linked to; its own when it stands alone.
            earlier: Linked alerts that began before it within 24 h, newest last.

        Returns:
            Nested ECS; JSON-serialisable.
        """
        meta = self.meta(draft.rule_id)
        parties = parties_of(draft.steps, draft.fields)
        zone = _zone(draft)
        copied = nested({path: value for path, value in draft.fields.items() if path.startswith(_COPIED)})
        document: dict[str, Any] = {
            "@timestamp": utc(draft.last_ns),
            "ecs": {"version": ECS_VERSION},
            "message": sentence_of(meta, draft.fields),
            **copied,
            "event": self._event(draft, meta),
            "rule": _rule(meta),
            "observer": {"vendor": "isthmus", "product": "isthmus", "version": self._version, "name": self._engine},
            "related": related_of(draft.steps, draft.fields),
            "tags": _tags(meta, parties),
            "convergence": {
                "alert": _alert(draft, meta, revision, group_id, parties),
                "time": {
                    "first": local(draft.opened_ns, zone),
                    "last": local(draft.last_ns, zone),
                    "zone": zone or "UTC",
                },
                "parties": parties,
                "evidence": evidence_of(draft.steps, self.meta),
                "evidence_ids": [step.event_id for step in each_once(draft.steps)],
                "timeline": timeline_of(draft.steps),
                "context": _context(draft),
                "response": _response(meta, draft),
                "bundle": self.bundle,
                "attack_version": VERSION,
            },
        }
        threat = threat_fields(meta.tags)
        if threat is not None:
            document["threat"] = threat
        _add_optional(document["convergence"], draft, earlier, zone)
        filters = self._expired_filters(draft)
        if filters:
            document["convergence"]["expired_filters"] = filters
        return document

    def _expired_filters(self, draft: AlertDraft) -> list[dict[str, Any]]:
        """Say which filters of the rules involved had ended by then: they might have kept the alert away."""
        rules = dict.fromkeys((draft.rule_id, *(step.rule_name for step in draft.steps)))
        filters = dict.fromkeys(each for rule in rules for each in expired(self.meta(rule).filters, draft.last_ns))
        return [
            {
                "id": each.id,
                "title": each.title,
                "ticket": each.ticket or None,
                "owner": each.owner or None,
                "expired": utc(each.expires_ns or 0),
            }
            for each in filters
        ]

    def _event(self, draft: AlertDraft, meta: RuleMeta) -> dict[str, Any]:
        severity = SEVERITY[meta.level]
        risk = min(100.0, max(0.0, severity + _criticality(draft)))
        return {
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "action": "correlation-match" if len(draft.steps) > 1 or draft.group else "rule-match",
            "module": "isthmus",
            "dataset": "isthmus.alert",
            "provider": "isthmus",
            "id": draft.alert_id,
            "code": str(meta.custom.get("code", meta.name)),
            "severity": severity,
            "risk_score": risk,
            "start": utc(draft.opened_ns),
            "end": utc(draft.last_ns),
            "created": utc(draft.ready_ns),
            "reason": draft.reason,
            "reference": str(meta.custom.get("playbook", "")) or None,
        }


def _rule(meta: RuleMeta) -> dict[str, Any]:
    return {
        "id": str(meta.custom.get("code", meta.name)),
        "uuid": meta.id,
        "name": meta.title,
        "version": str(meta.custom.get("version", "1")),
        "ruleset": "isthmus",
        "description": meta.description,
        "author": [meta.author] if meta.author else [],
        "reference": meta.references[0] if meta.references else None,
        "hash": meta.semantic_hash,
    }


def _alert(
    draft: AlertDraft, meta: RuleMeta, revision: int, group_id: str, parties: Mapping[str, list[str]]
) -> dict[str, Any]:
    keys = [key for key in draft.group if key is not None]
    # A rule on one event has no group: whom and what it is about tells its repeats.
    keys = keys or [each for kind in ("persons", "assets") for each in parties.get(kind, [])[:1]]
    return {
        "status": draft.status,
        "level": meta.level,
        "dedup_key": "|".join((str(meta.custom.get("code", meta.name)), *keys)),
        "group_id": group_id,
        "count": draft.count,
        "revision": revision,
        "first_seen": utc(draft.opened_ns),
        "last_seen": utc(draft.last_ns),
        "late": draft.late,
        **({"test": True} if meta.is_test else {}),
    }


def _tags(meta: RuleMeta, parties: Mapping[str, list[str]]) -> list[str]:
    tags = ["isthmus", f"severity:{meta.level}", *(["test"] if meta.is_test else [])]
    tags += [tag.replace(".", ":", 1) for tag in meta.tags if tag.startswith(("gap.", "domain."))]
    tags += [f"attack:{each}" for each in technique_ids(meta.tags)]
    tags += [f"site:{each}" for each in parties.get("sites", ())]
    tags += [f"zone:{each}" for each in parties.get("zones", ())]
    owner = meta.custom.get("owner")
    if isinstance(owner, dict) and owner.get("team"):
        tags.append(f"owner:{owner['team']}")
    return list(dict.fromkeys(tags))


def _context(draft: AlertDraft) -> dict[str, Any]:
    """Say what was looked up, and what could not be."""
    verdicts: dict[str, Any] = {}
    unknown = list[str]()
    for fields in (*(step.fields for step in draft.steps), draft.fields):
        for path in _VERDICTS:
            for value in texts_at(fields, path):
                verdicts[path.removeprefix("convergence.")] = value
                if value == "unknown":
                    unknown.append(path.removeprefix("convergence."))
    context: dict[str, Any] = {"verdicts": nested(verdicts)} if verdicts else {}
    people = {each for step in draft.steps for each in texts_at(step.fields, "convergence.person.id") if each[0] == "?"}
    unchecked = [
        *dict.fromkeys(unknown),
        *sorted(f"person {each[1:]} is not in the identities table" for each in people),
    ]
    if unchecked:
        context["unchecked"] = unchecked
    stale = texts_at(draft.fields, "convergence.context.stale")
    if stale:
        context["stale"] = stale
    approval = {
        path.removeprefix("convergence.approval."): value
        for path, value in draft.fields.items()
        if path.startswith("convergence.approval.") and value is not None
    }
    if approval:
        context["approval"] = approval
    return context


def _response(meta: RuleMeta, draft: AlertDraft) -> dict[str, Any]:
    owner = meta.custom.get("owner") if isinstance(meta.custom.get("owner"), dict) else {}
    actions = meta.custom.get("actions") if isinstance(meta.custom.get("actions"), dict) else {}
    sources = [draft.fields, *(step.fields for step in draft.steps)]
    unsafe = str(actions.get("unsafe", "")) if isinstance(actions, dict) else ""
    if _is_safety_related(sources):
        unsafe = f"{_DO_NOT_ISOLATE}. {unsafe}" if unsafe else _DO_NOT_ISOLATE
    team = owner.get("team") if isinstance(owner, dict) else None
    phone = owner.get("phone") if isinstance(owner, dict) else None
    return {
        "owner": {
            "team": team or _first(sources, "convergence.asset.owner"),
            "phone": phone or _first(sources, "convergence.asset.owner_phone"),
        },
        "playbook": meta.custom.get("playbook"),
        "safe_action": actions.get("safe") if isinstance(actions, dict) else None,
        "unsafe_action": unsafe or None,
    }


def _add_optional(convergence: dict[str, Any], draft: AlertDraft, earlier: Sequence[Earlier], zone: str | None) -> None:
    sequence = {"order_confidence": draft.order, "late": draft.late or None, "ahead": draft.ahead or None}
    if any(sequence.values()):
        convergence["sequence"] = {key: value for key, value in sequence.items() if value is not None}
    if draft.coverage is not None:
        convergence["coverage"] = draft.coverage
    if draft.widened_ns:
        convergence["widened_ms"] = draft.widened_ns / 1e6
    for name in ("first_seen", "travel"):
        prefix = f"convergence.{name}."
        found = {path.removeprefix(prefix): value for path, value in draft.fields.items() if path.startswith(prefix)}
        if found:
            convergence[name] = found
    video = video_of(draft.steps, zone)
    if video:
        convergence["video"] = video
    if earlier:
        convergence["earlier"] = [
            {"id": each.id, "code": each.code, "title": each.title, "time": local(each.first_ns, zone)}
            for each in earlier
        ]


def _zone(draft: AlertDraft) -> str | None:
    sources = [draft.fields, *(step.fields for step in draft.steps)]
    return _first(sources, "convergence.location.timezone") or _first(
        sources, "convergence.location_destination.timezone"
    )


def _is_safety_related(sources: Sequence[Mapping[str, Value]]) -> bool:
    return any(
        fields.get(f"convergence.asset{end}.safety_related") is True
        for fields in sources
        for end in ("", "_source", "_destination")
    )


def _criticality(draft: AlertDraft) -> float:
    words = {
        each
        for fields in (draft.fields, *(step.fields for step in draft.steps))
        for end in ("", "_source", "_destination")
        for each in texts_at(fields, f"convergence.asset{end}.criticality")
    }
    return max((CRITICALITY[word] for word in words if word in CRITICALITY), default=0.0)


def _first(sources: Sequence[Mapping[str, Value]], path: str) -> str | None:
    return next((text for fields in sources for text in texts_at(fields, path)), None)
