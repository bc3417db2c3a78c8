"""Processing pipelines: found by path, name or plugin, merged by priority, each fault with its place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sigma.pipelines

from detector.engine import Engine
from detector.errors import RuleErrors, RuleFault
from detector.rules import plugins
from detector.rules.loader import load_rules
from detector.rules.pipelines import bundled_pipelines, read_pipelines

RULE = "title: t\nname: r\nlogsource: {product: p}\ndetection:\n  s: {f: a}\n  condition: s\n"
HEAD = "name: p\npriority: 10\ntransformations:\n"


def mapping(path: Path, fields: str, *, priority: int = 10, extra: str = "") -> Path:
    path.write_text(
        f"name: {path.stem}\npriority: {priority}\ntransformations:\n"
        f"- id: m\n  type: field_name_mapping\n  mapping: {{{fields}}}\n{extra}"
    )
    return path


def fields_of(*pipelines: str | Path, rule: str = RULE) -> set[str]:
    return set(load_rules(rule, pipelines=pipelines).rules["r"].field_paths)


def test_several_are_merged_by_priority_and_then_in_the_order_given(tmp_path: Path) -> None:
    first = mapping(tmp_path / "z.yml", "f: g", priority=10)
    second = mapping(tmp_path / "a.yml", "g: h", priority=20)
    assert fields_of(second, first) == {"h"}, "the lower priority goes first, wherever it stands"
    same = mapping(tmp_path / "b.yml", "g: i", priority=10)
    assert fields_of(first, same) == {"i"}
    assert fields_of(same, first) == {"g"}, "equal priorities keep the order given"


def test_a_folder_gives_all_of_its_files(tmp_path: Path) -> None:
    mapping(tmp_path / "a.yml", "f: g")
    mapping(tmp_path / "b.yaml", "g: h")
    assert fields_of(tmp_path) == {"h"}
    assert fields_of(str(tmp_path)) == {"h"}


def test_the_engines_own_taxonomy_is_left_alone(tmp_path: Path) -> None:
    path = mapping(tmp_path / "a.yml", "f: g")
    ours = RULE + "taxonomy: isthmus\n"
    assert fields_of(path, rule=ours) == {"f"}
    plain, mapped = load_rules(ours).rules["r"].meta, load_rules(ours, pipelines=[path]).rules["r"].meta
    assert plain.semantic_hash == mapped.semantic_hash


def test_conditions_may_ask_for_level_and_tags(tmp_path: Path) -> None:
    asked = (
        "  rule_conditions:\n  - {type: rule_attribute, attribute: level, value: high, op: gte}\n"
        "  - {type: tag, tag: attack.t1078}\n"
    )
    path = mapping(tmp_path / "a.yml", "f: g", extra=asked)
    assert fields_of(path, rule=RULE + "level: high\ntags: [attack.t1078]\n") == {"g"}
    assert fields_of(path, rule=RULE + "level: low\ntags: [attack.t1078]\n") == {"f"}
    assert fields_of(path, rule=RULE + "level: high\n") == {"f"}


def test_what_a_pipeline_makes_of_a_rule_enters_its_semantic_hash_and_not_how(tmp_path: Path) -> None:
    def semantic(*paths: Path) -> str:
        return load_rules(RULE, pipelines=paths).rules["r"].meta.semantic_hash

    path = mapping(tmp_path / "a.yml", "x: y")
    assert semantic(path) == semantic(), "a mapping of another field is none of this rule's business"
    mapping(path, "f: g")
    mapped = semantic(path)
    assert mapped != semantic()
    assert mapped == semantic(mapping(tmp_path / "b.yml", "f: h, x: y"), mapping(tmp_path / "c.yml", "h: g"))


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (HEAD + "- {id: a, type: field_name_mapping, mapping: {f: g}}\n- {id: b, type: field_name_maping}\n", 5,
         "unknown transformation 'field_name_maping'; did you mean 'field_name_mapping'?"),
        (HEAD + "- {id: a, type: file_placeholders, paths: {a: /etc/passwd}}\n", 4,
         "reads files, which a pipeline must not"),
        (HEAD + "- {id: a, type: http_placeholders}\n", 4, "asks servers"),
        (HEAD + "- {id: a, type: command_placeholders}\n", 4, "runs commands"),
        (HEAD + "- {id: a, type: nest, items: [{type: command_placeholders}]}\n", 4, "runs commands"),
        (HEAD + "- {id: a, type: field_name_mapping}\n", 4, "mapping"),
        (HEAD + "- {id: a, type: field_name_mapping, mapping: {f: g}, rule_conditions: [{type: logsorce}]}\n", 4,
         "Unknown condition type 'logsorce'"),
        (HEAD + "- {type: field_name_mapping, mapping: {f: [" + ",".join(f"g{n}" for n in range(11)) + "]}}\n", 4,
         "more than 10 of one"),
        (HEAD + "- {id: a, type: replace_string, regex: '(?=a)', replacement: b}\n", 4, "Regular expression"),
        (HEAD + "- nonsense\n", 4, "is not a mapping"),
        ("name: p\npriorty: 1\ntransformations: []\n", 1, "unknown key 'priorty'; did you mean 'priority'?"),
        ("name: p\ntransformations: {}\n", 0, "is not a list"),
        ("name: p\nname: q\n", 2, "stands twice"),
        ("- a\n", 1, "is not a mapping"),
        ("", 0, "holds 0 documents; a pipeline is one"),
        ("name: a\n---\nname: b\n", 0, "holds 2 documents"),
    ],
)  # fmt: skip
def test_a_fault_has_its_place_and_what_instead(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "p.yml"
    path.write_text(text)
    faults: list[RuleFault] = []
    assert read_pipelines([path], faults) == (None, "")
    assert [(fault.path, fault.line) for fault in faults] == [(str(path), line)]
    assert what in str(faults[0])


def test_every_item_that_is_wrong_is_reported_and_the_rules_load(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text(HEAD + "- {type: a}\n- {type: field_name_mapping, mapping: {f: g}}\n- {type: b}\n")
    faults: list[RuleFault] = []
    ruleset = load_rules(RULE, pipelines=[path], faults=faults)
    assert [fault.line for fault in faults] == [4, 6]
    assert Engine(ruleset).match({"f": "a"})


@pytest.mark.parametrize("name", ["no/such.yml", "gone.yml"])
def test_a_file_that_is_not_there_is_a_fault(name: str) -> None:
    with pytest.raises(RuleErrors, match=r"cannot be read: No such file"):
        load_rules(RULE, pipelines=[name])


def test_what_only_concerns_queries_is_left_out(tmp_path: Path) -> None:
    extra = (
        "postprocessing:\n- {type: template, template: x, path: /etc, vars: vars.py}\nfinalizers:\n- {type: concat}\n"
    )
    assert fields_of(mapping(tmp_path / "a.yml", "f: g", extra=extra)) == {"g"}


def test_a_failure_that_a_pipeline_asks_for_is_the_rules_fault(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text(HEAD + "- {id: a, type: rule_failure, message: not here}\n")
    with pytest.raises(RuleErrors, match=r"<text>:1: t \(r\): .*not here"):
        load_rules(RULE, pipelines=[path])


def test_pipelines_resolve_placeholders_before_lists_do(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text("name: p\nvars: {l: [x]}\ntransformations:\n- {id: a, type: value_placeholders}\n")
    engine = Engine(load_rules(RULE.replace("f: a", "f|expand: '%l%'"), pipelines=[path], placeholders={"l": ["y"]}))
    assert engine.match({"f": "x"})
    assert not engine.match({"f": "y"})


def test_an_unknown_name_says_what_to_give_or_install() -> None:
    cases = {
        "sysmon": "install the package pysigma-pipeline-sysmon",
        "ecs_windows": "install the package pysigma-backend-elasticsearch",
        "nonsuch": "a file or a plugin's",
    }
    for name, advice in cases.items():
        faults: list[RuleFault] = []
        read_pipelines([name], faults)
        assert [fault.path for fault in faults] == [name]
        assert advice in faults[0].instead


PLUGIN = """
from sigma.pipelines.base import Pipeline
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldMappingTransformation

def ours_pipeline() -> ProcessingPipeline:
    return ProcessingPipeline(
        name="ours", priority=20, items=[ProcessingItem(FieldMappingTransformation({"f": "plugged"}))]
    )

@Pipeline
def decorated():
    return ProcessingPipeline(name="d", items=[ProcessingItem(FieldMappingTransformation({"f": "decorated"}))])

class classy(Pipeline):
    def apply(self):
        return ProcessingPipeline(name="c", items=[ProcessingItem(FieldMappingTransformation({"f": "plugged"}))])

def broken_pipeline() -> ProcessingPipeline:
    raise ValueError("no table")
"""


PLUGGED = ("ours", "decorated", "classy")
"""pySigma's three forms of a pipeline."""


def test_an_installed_plugin_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "sigma" / "pipelines" / "isthmustest"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    monkeypatch.setattr(sigma.pipelines, "__path__", [*sigma.pipelines.__path__, str(package.parent)])
    plugins._installed.cache_clear()
    try:
        assert fields_of("ours") == {"plugged"}
        assert fields_of("decorated") == {"decorated"}
        assert fields_of("classy") == {"plugged"}
        hashes = {name: read_pipelines([name], [])[1] for name in ("ours", "decorated")}
        (package / "__init__.py").write_text(PLUGIN.replace("plugged", "changed"))
        for name, before in hashes.items():
            assert read_pipelines([name], [])[1] != before, "the compiled cache would keep what is no longer so"
        with pytest.raises(RuleErrors, match="the plugin's pipeline cannot be made: no table"):
            load_rules(RULE, pipelines=["broken"])
    finally:
        plugins._installed.cache_clear()
        sys.modules.pop("sigma.pipelines.isthmustest", None)


def test_bundled_pipelines_are_found_by_name_and_a_file_of_that_name_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in bundled_pipelines().items():
        faults: list[RuleFault] = []
        assert read_pipelines([name], faults) == read_pipelines([path], faults)
        assert faults == []
    (tmp_path / "windows").mkdir()
    mapping(tmp_path / "windows" / "a.yml", "f: mine")
    assert fields_of("windows") == {"mine"}


NESTED = "".join(f"  - {{type: field_name_mapping, mapping: {{f: [{','.join('f' * 4)}]}}}}\n" for _ in range(2))
DOUBLING = r"- {type: replace_string, regex: '(.)', replacement: '\1\1'}" + "\n"
FAN = f"- {{type: field_name_mapping, mapping: {{f: [{','.join('f' * 10)}]}}}}\n"


@pytest.mark.parametrize(
    ("items", "what"),
    [
        (FAN * 20, "has grown to 10000 values"),
        (DOUBLING, None),
        (DOUBLING * 60, "has a value of more than 5000 characters"),
        (f"- type: nest\n  items:\n{NESTED}", "more than 10 of one"),
    ],
)  # fmt: skip
def test_a_rule_cannot_grow_without_bound(tmp_path: Path, items: str, what: str | None) -> None:
    path = tmp_path / "p.yml"
    path.write_text(HEAD + items)
    faults: list[RuleFault] = []
    load_rules(RULE, pipelines=[path], faults=faults)
    assert [what in str(fault) for fault in faults if what] == [True] * (what is not None)


def test_a_field_that_another_is_compared_with_is_mapped_too(tmp_path: Path) -> None:
    path = mapping(tmp_path / "a.yml", "f: g, a: b")
    for modifiers, equal in (("fieldref", "X"), ("cased|fieldref", "x")):
        engine = Engine(load_rules(RULE.replace("f: a", f"f|{modifiers}: a"), pipelines=[path]))
        assert engine.match({"g": "x", "b": equal})
        assert bool(engine.match({"g": "x", "b": "X"})) is (equal == "X")
