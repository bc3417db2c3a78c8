"""What adapts rules to a place: processing pipelines and lists of values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sigma.processing.pipeline import ProcessingPipeline

from detector.errors import RuleFault
from detector.rules.fieldmapping import FieldMapper
from detector.rules.meta import hash_of
from detector.rules.pipelines import read_pipelines
from detector.rules.placeholders import Lists, Placeholders


class Adaptation(NamedTuple):
    """What every detection of one load is adapted by.

    Attributes:
        pipeline: The merged pipelines; None without any.
        pipeline_hash: Of their texts.
        placeholders: The lists.
        fields: Maps fields outside detections.
    """

    pipeline: ProcessingPipeline | None
    pipeline_hash: str
    placeholders: Placeholders
    fields: FieldMapper

    @property
    def hash(self) -> str:
        """Changes when anything of it does: a part of the key under which compiled rules are kept."""
        return hash_of([self.pipeline_hash, self.placeholders.digest()])


def adapt(pipelines: Sequence[str | Path], lists: Lists, faults: list[RuleFault]) -> Adaptation:
    """Read pipelines and take lists.

    Args:
        pipelines: Files, folders, names of bundled pipelines or of installed pySigma plugins.
        lists: By name.
        faults: Takes what cannot be used.
    """
    pipeline, pipeline_hash = read_pipelines(pipelines, faults)
    return Adaptation(pipeline, pipeline_hash, Placeholders(lists), FieldMapper(pipeline))
