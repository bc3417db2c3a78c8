"""Processing pipelines: YAML of pySigma, merged in order of priority."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import yaml
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from detector.errors import RuleFault
from detector.rules.documents import MAX_BYTES


def read_pipelines(paths: Sequence[str | Path], faults: list[RuleFault]) -> tuple[ProcessingPipeline | None, str]:
    """Read pipelines and merge them.

    Args:
        paths: Files, in the order in which equal priorities apply.
        faults: Takes what cannot be read.

    Returns:
        The merged pipeline, None without any; and a hash of their texts, for the rules' semantic hashes.
    """
    pipelines = list[ProcessingPipeline]()
    texts = list[str]()
    for path in map(Path, paths):
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"is larger than {MAX_BYTES} bytes")  # noqa: TRY301  one place that makes faults
            text = path.read_text(encoding="utf-8")
            pipelines.append(ProcessingPipeline.from_yaml(text))
            texts.append(text)
        except (OSError, ValueError, SigmaError, yaml.YAMLError, TypeError, KeyError) as error:
            faults.append(
                RuleFault(str(path), 0, "pipeline", f"cannot be used: {error}", "see pySigma's pipeline format")
            )
    if not pipelines:
        return None, ""
    merged = sum(sorted(pipelines, key=lambda each: each.priority), start=ProcessingPipeline())
    return merged, hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:32]
