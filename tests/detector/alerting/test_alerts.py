"""Documents, sentences, groups and sinks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.alert import Alert, AlertDraft
from detector.alerting.attack import threat_fields
from detector.alerting.document import AlertWriter
from detector.alerting.sentence import sentence_of
from detector.alerting.sinks.delivery import Outcome
from detector.alerting.sinks.ndjson import NdjsonFile
from detector.alerting.sinks.settings import NdjsonSink, WebhookSink
from detector.alerting.sinks.webhook import SIGNATURE, Webhook, sign
from detector.candidate import Step
from detector.errors import SettingsError
from detector.rules.model import RuleMeta, RuleSet
from detector.runtime.stages.group import GroupTask
from normalizers.event import Value

HOUR = 3_600 * 10**9


def _draft(name: str, hour: float, fields: dict[str, Value]) -> AlertDraft:
    time_ns = int(hour * HOUR) + 10**18
    step = Step(
        rule_name="r", event_id=name, time_ns=time_ns, uncertainty_ns=0, source="s", summary=name, fields=fields
    )
    return AlertDraft(
        alert_id=name,
        rule_id="r",
        group=(),
        status="closed",
        opened_ns=time_ns,
        last_ns=time_ns,
        ready_ns=time_ns,
        count=1,
        steps=(step,),
        fields=fields,
    )


def _task() -> GroupTask:
    return GroupTask(AlertWriter(RuleSet({}, {}, "bundle")))


def _latest(outputs: list[Any]) -> dict[str, dict[str, Any]]:
    return {each.id: each.document for each in outputs if isinstance(each, Alert)}


def _groups(documents: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {key: document["convergence"]["alert"]["group_id"] for key, document in documents.items()}


def test_a_template_is_filled_and_a_stale_feed_is_said() -> None:
    meta = RuleMeta(id="r", name="r", title="T", custom={"sentence": "{user.name|somebody} at {a.b|c.d} {x|there}"})
    assert sentence_of(meta, {"c.d": "door"}) == "somebody at door there"
    said = sentence_of(meta, {"user.name": "?corp\\eve", "convergence.context.stale": ["approvals feed never current"]})
    assert said == "unknown account corp\\eve at (unknown) there; approvals feed never current"


def test_line_breaks_of_an_attacker_do_not_reach_the_terminal() -> None:
    meta = RuleMeta(id="r", name="r", title="T", custom={"sentence": "{user.name}"})
    assert sentence_of(meta, {"user.name": "a\n\x1b[31mCRITICAL"}) == "a [31mCRITICAL"


def test_attack_ids_bring_their_names_and_tactics() -> None:
    threat = threat_fields(["attack.t1021.001", "attack.t0889", "attack.t9999", "gap.4"])
    assert threat is not None
    assert threat["technique"]["id"] == ["T0889", "T1021"]
    assert threat["technique"]["subtechnique"]["name"] == ["Remote Desktop Protocol"]
    assert "TA0008" in threat["tactic"]["id"]
    assert threat_fields(["attack.t9999"]) is None


def test_a_safety_related_asset_must_not_be_isolated() -> None:
    draft = _draft("a", 0, {"convergence.asset.safety_related": True, "convergence.asset.owner": "OT"})
    document = AlertWriter(RuleSet({}, {}, "b")).to_document(draft, 1, "a", [])
    assert document["convergence"]["response"]["unsafe_action"] == "Do not isolate: safety related"
    assert document["convergence"]["response"]["owner"]["team"] == "OT"


def test_what_could_not_be_checked_is_said() -> None:
    fields: dict[str, Value] = {"convergence.conduit.verdict": "unknown", "convergence.person.id": "?corp\\eve"}
    document = AlertWriter(RuleSet({}, {}, "b")).to_document(_draft("a", 0, fields), 1, "a", [])
    unchecked = document["convergence"]["context"]["unchecked"]
    assert unchecked == ["conduit.verdict", "person corp\\eve is not in the identities table"]


@pytest.mark.parametrize(
    ("more", "sequence"),
    [
        ({}, None),
        ({"order": "possible"}, {"order_confidence": "possible"}),
        ({"late": True, "order": "certain"}, {"order_confidence": "certain", "late": True}),
        ({"ahead": True}, {"ahead": True}),
    ],
)
def test_what_may_still_change_is_said(more: dict[str, Any], sequence: dict[str, Any] | None) -> None:
    draft = msgspec.structs.replace(_draft("a", 0, {}), **more)
    document = AlertWriter(RuleSet({}, {}, "b")).to_document(draft, 1, "a", [])
    assert document["convergence"].get("sequence") == sequence


def test_alerts_of_one_person_share_a_group_for_a_day() -> None:
    person: dict[str, Value] = {"convergence.person.id": "p"}
    documents = _latest(_task().process([_draft("a", 0, person), _draft("b", 23, person), _draft("c", 60, person)]))
    assert _groups(documents) == {"a": "a", "b": "a", "c": "c"}
    assert [each["id"] for each in documents["b"]["convergence"]["earlier"]] == ["a"]


def test_what_everybody_shares_links_nothing() -> None:
    shared: dict[str, Value] = {"convergence.asset.id": "gate", "convergence.asset.shared": True}
    assert _groups(_latest(_task().process([_draft("a", 0, shared), _draft("b", 1, shared)]))) == {"a": "a", "b": "b"}


def test_the_same_draft_again_changes_nothing() -> None:
    task = _task()
    assert len(task.process([_draft("a", 0, {})])) == 1
    assert task.process([_draft("a", 0, {})]) == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_groups_do_not_depend_on_the_order_or_on_crashes(data: st.DataObject) -> None:
    drafts = [
        _draft(
            f"a{n}",
            data.draw(st.integers(0, 40)),
            {
                "convergence.person.id": data.draw(st.sampled_from("pq")),
                "convergence.asset.id": data.draw(st.sampled_from("xyz")),
            },
        )
        for n in range(data.draw(st.integers(0, 6)))
    ]
    whole = _latest(_task().process(drafts))
    task, stored, seen = _task(), dict[bytes, bytes](), dict[str, dict[str, Any]]()
    for draft in data.draw(st.permutations(drafts)):
        seen |= _latest(task.process([draft]))
        stored |= {key: value for key, value in task.dirty() if value is not None}
        task = _task()
        for key, value in stored.items():
            task.restore(key, value)
    assert _groups(seen) == _groups(whole)


class Receiver:
    """An HTTP server that answers as it is told."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.seen: list[tuple[dict[str, str], bytes]] = []

    async def __aenter__(self) -> str:
        """Listen; returns the address."""
        app = web.Application()
        app.add_routes([web.post("/", self._take)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.seen.append((dict(request.headers), await request.read()))
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)


def _webhook(url: str, **changes: Any) -> Webhook:  # noqa: ANN401  settings of any type
    return Webhook(WebhookSink(url=url, **changes), now_s=lambda: 1_700_000_000.0, draw=lambda: 0.0)


async def test_a_webhook_is_signed_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    receiver = Receiver(503, 429, 200)
    async with receiver as url:
        hook = _webhook(url, secret_file=tmp_path / "key")
        assert await hook.deliver([Alert("id", 2, {"a": 1})]) == Outcome()
        await hook.close()
    headers, body = receiver.seen[-1]
    assert len(receiver.seen) == 3
    assert headers[SIGNATURE] == f"t=1700000000,v1={sign(b'secret', '1700000000', body)}"
    assert headers["Idempotency-Key"] == "id/2"


async def test_a_refusal_is_final_and_an_outage_is_not() -> None:
    first, second = Alert("id", 1, {}), Alert("id", 2, {})
    async with Receiver(400, 200) as url:
        hook = _webhook(url)
        outcome = await hook.deliver([first, second])
        await hook.close()
    assert [refusal.alert for refusal in outcome.refused] == [first]
    assert "HTTP 400" in outcome.refused[0].reason
    assert outcome.waiting == []
    hook = _webhook("http://127.0.0.1:9/", attempts=2)
    outcome = await hook.deliver([first, second])
    await hook.close()
    assert outcome.waiting == [first, second]
    assert "2 attempts" in outcome.problem


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://x/", "file:///etc/passwd", "http://127.0.0.1.evil.org/"])
def test_a_webhook_is_encrypted_unless_it_stays_on_the_machine(url: str) -> None:
    with pytest.raises(SettingsError, match="https"):
        _webhook(url)


async def test_a_file_sink_writes_lines_and_follows_rotation(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    sink = NdjsonFile(NdjsonSink(path=str(path)))
    await sink.deliver([Alert("a", 1, {"n": 1})])
    path.rename(tmp_path / "old")
    await sink.deliver([Alert("a", 2, {"n": 2})])
    await sink.close()
    assert json.loads((tmp_path / "old").read_text()) == {"n": 1}
    assert json.loads(path.read_text()) == {"n": 2}
