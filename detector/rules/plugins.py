"""Pipelines that installed pySigma plugins bring, by their pySigma names such as ``sysmon`` or ``ecs_windows``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from detector.rules.meta import suggest

_PACKAGES = {
    "ecs_kubernetes": "pysigma-backend-elasticsearch",
    "ecs_macos_esf": "pysigma-backend-elasticsearch",
    "ecs_windows": "pysigma-backend-elasticsearch",
    "ecs_windows_old": "pysigma-backend-elasticsearch",
    "ecs_zeek_beats": "pysigma-backend-elasticsearch",
    "ecs_zeek_corelight": "pysigma-backend-elasticsearch",
    "sysmon": "pysigma-pipeline-sysmon",
    "windows-audit": "pysigma-pipeline-windows",
    "windows-logsources": "pysigma-pipeline-windows",
}
"""Which package brings a well-known pipeline, for advice."""


def plugin_pipeline(name: str, bundled: Iterable[str]) -> tuple[ProcessingPipeline, str]:
    """Return a plugin's pipeline, and the text that it was made from, for semantic hashes.

    Args:
        name: As pySigma lists it.
        bundled: Names of the pipelines that come with the product, for advice.

    Raises:
        ValueError: No plugin has it, or it cannot be used; the message says what to install.
    """
    installed = _installed()
    made = installed.get(name)
    if made is None:
        package = _PACKAGES.get(name)
        known = "" if package else suggest(name, [*bundled, *installed, *_PACKAGES])
        instead = f"install the package {package}" if package else f"give {', '.join(bundled)}, a file or a plugin's"
        raise ValueError(f"no file, bundled pipeline or installed pySigma plugin has this name{known}; {instead}")
    try:
        pipeline = made() if callable(made) else made
    except (SigmaError, TypeError, ValueError, KeyError, OSError) as error:
        raise ValueError(f"the plugin's pipeline cannot be made: {error}; see the plugin's documentation") from error
    if not isinstance(pipeline, ProcessingPipeline):
        raise ValueError(f"the plugin gives a {type(pipeline).__name__}, no pipeline; report it to its authors")  # noqa: TRY004
    return pipeline, _source(name, made)


@cache
def _installed() -> dict[str, Any]:
    # Imported here: it brings the whole of pySigma's conversion, which nothing else needs.
    from sigma.plugins import InstalledSigmaPlugins  # noqa: PLC0415

    try:
        found = InstalledSigmaPlugins.autodiscover(include_backends=False, include_validators=False)
    except (ImportError, AttributeError, TypeError, ValueError, SigmaError) as error:
        raise ValueError(f"installed pySigma plugins cannot be imported: {error}; mend or remove them") from error
    return dict(found.pipelines)


def _source(name: str, made: Any) -> str:  # noqa: ANN401  a function or an object of a plugin's
    """Return name, version and source text: what decides what the plugin's pipeline does."""
    function = getattr(made, "func", None) or made  # what pySigma's decorator wraps
    module = sys.modules[getattr(function, "__module__", None) or type(function).__module__]
    path = inspect.getsourcefile(module)
    text = Path(path).read_text(encoding="utf-8") if path is not None else ""
    return "\n".join((name, module.__name__, _version(module.__name__), text))


def _version(module: str) -> str:
    parts = module.split(".")
    # `sigma` itself is shared by pySigma and all of its plugins: all of their versions count.
    names = sorted(set(packages_distributions().get(parts[0], ())))
    try:
        return " ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError:
        return ""
