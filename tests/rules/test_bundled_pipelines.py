"""The bundled pipelines: SigmaHQ's rules match on our normalizers' events what they match on the records themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from connectors.framing.cut import FrameOptions, cut_file
from connectors.record import RawRecord
from detector.engine import Engine
from detector.errors import RuleFault
from detector.rules.loader import load_rules
from detector.rules.logsources import LogSourceMap
from detector.rules.model import LogSource, RuleSet
from detector.rules.pipelines import bundled_pipelines
from normalizers.errors import NormalizerError
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile
from tests.rules.windows_events import FAR_NS, normalized, recorded_attacks, regression_events
from tests.shared import unpacked

FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
LISTS = {"known_cdcs": ["dc01"], "domain_controllers": ["dc01"], "DC-MACHINE-NAME": ["dc01"]}
"""Of SigmaHQ's rules with placeholders."""

RECORDINGS = ("schtask_create", "covenant_com_wsman_automation")
MANY = 20
"""Uses of a field in one log source above which its mapping must be proven."""

NEVER_RECORDED = {
    "DestinationHostname": "destination.domain: no recorded address had a name",
    "ImagePath": "winlog.event_data.ImagePath: no recording installed a service",
    "Payload": "winlog.event_data.Payload: PowerShell's own log was not recorded",
    "ScriptBlockText": "winlog.event_data.ScriptBlockText: PowerShell's own log was not recorded",
}
"""Fields of more than `MANY` uses whose target stands in no recorded event, and why."""


@cache
def tree(root: Path, *pipelines: str) -> RuleSet:
    faults: list[RuleFault] = []
    folders = [root / "sigmahq" / folder for folder in FOLDERS]
    ruleset = load_rules(folders, pipelines=pipelines, placeholders=LISTS, faults=faults)
    assert faults == []
    return ruleset


@pytest.fixture(scope="module")
def sigmahq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("sigmahq_rules", tmp_path_factory.mktemp("sigmahq"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpacked("otrf_security_datasets", tmp_path_factory.mktemp("recorded"))
    return unpacked("sigma_regression", folder)


@pytest.mark.parametrize("name", sorted(bundled_pipelines()))
def test_stock_pysigma_loads_and_applies_it(name: str) -> None:
    pipeline = ProcessingPipeline.from_yaml(bundled_pipelines()[name].read_text())
    assert pipeline.name == name
    assert len({item.identifier for item in pipeline.items}) == len(pipeline.items)
    content = {"title": "t", "logsource": {"product": name}, "detection": {"s": {"f": "a"}, "condition": "s"}}
    pipeline.apply(SigmaRule.from_dict(content))


FIELDS = [
    ("windows", {"category": "process_creation"}, "Image", {"process.executable"}),
    ("windows", {"category": "process_creation"}, "CommandLine", {"process.command_line"}),
    ("windows", {"category": "process_creation"}, "Hashes", {"winlog.event_data.Hashes"}),
    ("windows", {"category": "registry_set"}, "TargetObject", {"registry.path"}),
    ("windows", {"category": "registry_event"}, "TargetObject", {"registry.path", "event.code"}),
    ("windows", {"category": "image_load"}, "ImageLoaded", {"dll.path"}),
    ("windows", {"category": "file_event"}, "TargetFilename", {"file.path"}),
    ("windows", {"category": "dns_query"}, "QueryName", {"dns.question.name"}),
    ("windows", {"category": "network_connection"}, "DestinationPort", {"destination.port"}),
    ("windows", {"category": "process_access"}, "SourceImage", {"process.executable"}),
    ("windows", {"service": "security"}, "EventID", {"event.code"}),
    ("windows", {"service": "security"}, "Provider_Name", {"winlog.provider_name"}),
    ("windows", {"service": "security"}, "IpAddress", {"winlog.event_data.IpAddress"}),
    ("windows", {"service": "security"}, "Image", {"winlog.event_data.Image"}),
    ("windows", {"service": "security"}, "event.action", {"event.action"}),
    ("linux", {"category": "process_creation"}, "ParentImage", {"process.parent.executable"}),
    ("linux", {"service": "auditd"}, "a1", {"auditd.log.a1"}),
    ("linux", {"service": "sudo"}, "USER", {"user.target.name"}),
    ("zeek", {"service": "conn"}, "id.resp_p", {"destination.port"}),
    ("zeek", {"service": "conn"}, "conn_state", {"zeek.connection.state"}),
    ("zeek", {"service": "dns"}, "query", {"dns.question.name"}),
    ("zeek", {"service": "dns"}, "answers", {"zeek.dns.answers"}),
    ("zeek", {"service": "http"}, "uri", {"url.original"}),
    ("zeek", {"service": "x509"}, "certificate.serial", {"zeek.x509.certificate.serial"}),
    ("okta", {"service": "okta"}, "eventType", {"okta.event_type"}),
    ("aws", {"service": "cloudtrail"}, "eventName", {"event.action"}),
    (
        "aws",
        {"service": "cloudtrail"},
        "requestParameters.attribute",
        {"aws.cloudtrail.flattened.request_parameters.attribute"},
    ),
    ("azure", {"service": "signinlogs"}, "ResultType", {"azure.signinlogs.result_type"}),
    ("azure", {"service": "auditlogs"}, "properties.message", {"azure.auditlogs.operation_name"}),
    ("web", {"category": "webserver"}, "cs-uri-query", {"url.original", "url.query"}),
    ("web", {"category": "proxy"}, "c-uri", {"url.original"}),
]


@pytest.mark.parametrize(("name", "where", "field", "targets"), FIELDS)
def test_a_field_of_a_log_source_is_mapped(name: str, where: dict[str, str], field: str, targets: set[str]) -> None:
    logsource = where if name == "web" else {"product": name, **where}
    detection = {"s": {field: "a"}, "condition": "s"}
    text = yaml.safe_dump({"title": "t", "name": "r", "logsource": logsource, "detection": detection})
    everything = list(bundled_pipelines())
    assert load_rules(text, pipelines=[name]).rules["r"].field_paths == targets
    assert load_rules(text, pipelines=everything).rules["r"].field_paths == targets, "no other pipeline interferes"
    elsewhere = text.replace(f"product: {name}", "product: other").replace("category: ", "category: x")
    assert load_rules(elsewhere, pipelines=everything).rules["r"].field_paths == {field}


def test_the_public_tree_is_mapped_without_a_fault(sigmahq: Path) -> None:
    plain, mapped = tree(sigmahq), tree(sigmahq, *bundled_pipelines())
    names, kept = Counter[str](), Counter[str]()
    for rule_id, rule in plain.rules.items():
        product = rule.logsource.product or rule.logsource.category or ""
        for field in rule.field_paths:
            names[product] += 1
            kept[product] += field in mapped.rules[rule_id].field_paths
    assert plain.rules.keys() == mapped.rules.keys()
    shares = {product: 1 - kept[product] / names[product] for product in names}
    least = {"windows": 1.0, "zeek": 1.0, "webserver": 1.0, "dns": 1.0, "antivirus": 1.0, "aws": 0.99, "linux": 0.99,
             "proxy": 0.99, "okta": 0.96, "azure": 0.92, "firewall": 0.8}  # fmt: skip
    assert {product: share for product, share in shares.items() if share < least.get(product, 0.0)} == {}


def test_fields_of_many_windows_rules_are_fields_of_our_events(sigmahq: Path, recorded: Path) -> None:
    written = set[str]()
    events = (event for event, _ in (*regression_events(recorded), *recorded_attacks(recorded, *RECORDINGS)))
    for event in events:
        made = normalized(event)
        written |= set(made.fields) if made is not None else set()
    uses = Counter[tuple[LogSource, str]]()
    for rule in tree(sigmahq).rules.values():
        uses.update((rule.logsource, field) for field in rule.field_paths if rule.logsource.product == "windows")
    many = {(where, field) for (where, field), count in uses.items() if count > MANY}
    assert len(many) > 30
    unproven = {field for where, field in many if not _targets(where, field) & written}
    assert unproven == NEVER_RECORDED.keys()


def _targets(where: LogSource, field: str) -> frozenset[str]:
    logsource = {key: value for key, value in msgspec.structs.asdict(where).items() if value}
    detection = {"s": {field: "a"}, "condition": "s"}
    text = yaml.safe_dump({"title": "t", "name": "r", "logsource": logsource, "detection": detection})
    return load_rules(text, pipelines=["windows"]).rules["r"].field_paths


def _both(plain: Engine, mapped: Engine, event: dict[str, Any], flat: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the rules that match an event as it was recorded, and as our normalizer makes it."""
    made = normalized(event)
    if made is None:
        return set(), set()
    logsource = LogSourceMap.bundled().of(made.dataset, made.fields)
    raw = {match.rule_id for match in plain.match(flat, logsource)}
    if logsource is not None and (logsource.category or "").startswith("registry_"):
        # Sigma's category of all registry events.
        raw |= {match.rule_id for match in plain.match(flat, LogSource("registry_event", "windows", "sysmon"))}
    return raw, {match.rule_id for match in mapped.match(made.fields, logsource)}


def test_rules_match_the_regression_events_as_normalized(recorded: Path) -> None:
    folders = [recorded / "sigma_regression" / folder for folder in FOLDERS]
    plain, mapped = Engine(load_rules(folders)), Engine(load_rules(folders, pipelines=["windows"]))
    matches = 0
    for event, flat in regression_events(recorded):
        assert normalized(event) is not None
        raw, ours = _both(plain, mapped, event, flat)
        assert raw == ours
        matches += len(ours)
    assert matches >= 270


def test_rules_match_recorded_attacks_as_normalized(sigmahq: Path, recorded: Path) -> None:
    plain, mapped = Engine(tree(sigmahq)), Engine(tree(sigmahq, *bundled_pipelines()))
    matches, gained = 0, Counter[object]()
    for event, flat in recorded_attacks(recorded, *RECORDINGS):
        raw, ours = _both(plain, mapped, event, flat)
        assert raw <= ours, f"lost: {raw - ours}"
        matches += len(raw)
        gained.update({event["EventID"]: len(ours - raw)} if ours - raw else {})
    assert matches >= 40
    assert gained.keys() == {4688}, "process creations of the Security log, whose own names no rule has"


ZEEK = """
id.resp_p: 22
---
conn_state: SF
---
service: ssh
proto: tcp
---
id.orig_h|cidr: 192.168.0.0/16
---
orig_bytes|gt: 1000
---
uid|startswith: C
"""


def test_zeek_rules_match_rows_as_normalized(tmp_path: Path) -> None:
    root = unpacked("zeek_btest", tmp_path)
    rules = [
        yaml.safe_dump(
            {
                "title": f"{n}",
                "logsource": {"product": "zeek", "service": "conn"},
                "detection": {"s": s, "condition": "s"},
            }
        )
        for n, s in enumerate(yaml.safe_load_all(ZEEK))
    ]
    plain, mapped = Engine(load_rules(rules)), Engine(load_rules(rules, pipelines=["zeek"]))
    seen = Counter[str]()
    for value in _rows(sorted(root.rglob("conn.log"))):
        try:
            (made,) = normalizer_for("zeek.conn")(
                RawRecord("id", "s", "zeek.conn", FAR_NS, value), SourceProfile(id="s")
            )
        except NormalizerError:
            continue
        raw = {plain.ruleset.rules[match.rule_id].meta.title for match in plain.match(msgspec.json.decode(value))}
        ours = {
            mapped.ruleset.rules[match.rule_id].meta.title
            for match in mapped.match(made.fields, LogSourceMap.bundled().of(made.dataset, made.fields))
        }
        assert raw == ours
        seen.update(raw)
    assert seen.keys() == {str(n) for n in range(len(rules))}


def _rows(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        lines = path.read_text().replace("XXXXXXXXXX.XXXXXX", "1747398906.1").splitlines(keepends=True)
        # Zeek's test suite puts a line of its own first, and masks times.
        clean = path.with_suffix(".clean")
        clean.write_text("".join(line for line in lines if not line.startswith("###")))
        with clean.open("rb") as data:
            yield from (cut.value for cut in cut_file(data, FrameOptions(framing="zeek_tsv")))


def test_a_sudo_rule_of_the_public_tree_matches_a_line_of_the_log(sigmahq: Path) -> None:
    line = b"<86>Oct 19 06:55:46 bastion sudo[7]: bob : TTY=pts/0 ; PWD=/ ; USER=#-1 ; COMMAND=/bin/bash"
    (made,) = normalizer_for("linux.auth")(RawRecord("id", "s", "linux.auth", FAR_NS, line), SourceProfile(id="s"))
    engine = Engine(tree(sigmahq, *bundled_pipelines()))
    logsource = LogSourceMap.bundled().of(made.dataset, made.fields)
    titles = {engine.ruleset.rules[match.rule_id].meta.title for match in engine.match(made.fields, logsource)}
    assert titles == {"Sudo Privilege Escalation CVE-2019-14287 - Builtin"}
