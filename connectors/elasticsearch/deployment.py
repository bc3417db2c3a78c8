"""Templates, policies and roles: what the cluster has compared with what it should have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from connectors.elasticsearch.server import Answer, Server
from connectors.errors import DestinationRefusedError

_KINDS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "ilm_policy": ("/_ilm/policy/", ("*",)),
    "ingest_pipeline": ("/_ingest/pipeline/", ("*",)),
    "component_template": ("/_component_template/", ("component_templates", 0, "component_template")),
    "index_template": ("/_index_template/", ("index_templates", 0, "index_template")),
    "role": ("/_security/role/", ("*",)),
}
"""Folder to where it is put and where in the answer it is found (``*``: under its name); in the order of need."""

_PIPELINE = "final_pipeline"
_PROCESSOR = "set"

_ADDED = ("created_date", "modified_date", "version", "transient_metadata", "delete_searchable_snapshot")
"""What the cluster adds by itself to what was put; so are empty lists and settings that are off."""

_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""A new index has its shards within seconds or something is wrong."""

MAX_SHOWN = 20
"""Differences told of one resource."""


class Resource(msgspec.Struct, frozen=True):
    """One thing that the cluster should have.

    Attributes:
        kind: Folder that it came from.
        name: Its name in the cluster.
        body: As it is put.
    """

    kind: str
    name: str
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Where it is read and put."""
        return _KINDS[self.kind][0] + self.name


class Comparison(msgspec.Struct, frozen=True):
    """One resource beside what the cluster has.

    Attributes:
        resource: What it should have.
        absent: It has none of that name.
        differences: One line each; none when it is absent or the same.
    """

    resource: Resource
    absent: bool
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Tell whether nothing is to be done."""
        return not self.absent and not self.differences


async def wanted(server: Server, folder: Path, keep: Mapping[str, str]) -> list[Resource]:
    """Read what the cluster should have.

    Args:
        server: Where no node can run the pipeline's processor, the pipeline and every mention of it are left out:
            an index whose pipeline is missing takes no document.
        folder: A folder a kind, a JSON file a resource.
        keep: ILM policy to the age at which it deletes, such as ``400d``.
    """
    stamped = await _can_stamp(server)
    found = list[Resource]()
    for kind in _KINDS:
        for path in sorted((folder / kind).glob("*.json")):
            body: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            if kind == "ilm_policy" and path.stem in keep:
                body["policy"]["phases"]["delete"]["min_age"] = keep[path.stem]
            if kind == "index_template" and not stamped:
                body["template"]["settings"]["index"].pop(_PIPELINE, None)
            if kind != "ingest_pipeline" or stamped:
                found.append(Resource(kind, path.stem, body))
    return found


async def compare(server: Server, resources: Sequence[Resource]) -> list[Comparison]:
    """Read each resource from the cluster and say where it differs.

    Raises:
        DestinationUnavailableError: The cluster does not answer.
        DestinationRefusedError: We may not look.
    """
    return [await _compare(server, each) for each in resources]


async def put(server: Server, resource: Resource) -> None:
    """Make or replace one resource.

    Raises:
        DestinationUnavailableError: The cluster does not answer.
        DestinationRefusedError: We may not, or it does not take it.
    """
    _taken(await _ask(server, "PUT", resource.path, body=msgspec.json.encode(resource.body)), f"PUT {resource.path}")


async def _ask(server: Server, method: str, path: str, *, body: bytes | None = None) -> Answer:
    """Make a request, again for a while where shards are not there yet: the first role makes the index of roles."""
    for pause_s in _PAUSES_S:
        answer = await server.call(method, path, body=body)
        if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return answer
        await asyncio.sleep(pause_s)
    return await server.call(method, path, body=body)


async def _compare(server: Server, resource: Resource) -> Comparison:
    answer = await _ask(server, "GET", resource.path)
    if answer.status == HTTPStatus.NOT_FOUND:
        return Comparison(resource, absent=True, differences=())
    here, there = _leaves(resource.body), _leaves(_found(resource, _taken(answer, f"GET {resource.path}")))
    if resource.kind == "ilm_policy":
        here = _leaves(resource.body["policy"])
    differences = [
        f"{path}: {there.get(path, 'absent')} should be {here.get(path, 'absent')}"
        for path in sorted(here.keys() | there.keys())
        if here.get(path) != there.get(path)
    ]
    return Comparison(resource, absent=False, differences=tuple(differences))


def _found(resource: Resource, body: Any) -> Any:  # noqa: ANN401  what the server sent
    for step in _KINDS[resource.kind][1]:
        body = body[resource.name if step == "*" else step]
    return body["policy"] if resource.kind == "ilm_policy" else body


def _leaves(body: Any) -> dict[str, str]:  # noqa: ANN401  any JSON
    """Return path to value as text, nested and dotted names alike; what is off or empty is left out."""
    return {
        path: text
        for path, value in _walk("", body)
        if (text := str(value).lower()) not in {"false", "none", ""}
        and not any(part.startswith(_ADDED) for part in path.split("."))
    }


def _walk(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  any JSON
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(f"{prefix}.{key}" if prefix else key, each)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for place, each in enumerate(value):
            yield from _walk(f"{prefix}.{place}", each)
    elif isinstance(value, list):
        yield prefix, ", ".join(map(str, value))
    else:
        yield prefix, value


async def _can_stamp(server: Server) -> bool:
    nodes = _taken(await server.call("GET", "/_nodes/ingest", filter_path="nodes.*.ingest"), "GET /_nodes/ingest")
    return any(
        each.get("type") == _PROCESSOR
        for node in nodes.get("nodes", {}).values()
        for each in node.get("ingest", {}).get("processors", ())
    )


def _taken(answer: Answer, what: str) -> Any:  # noqa: ANN401  what the server sent
    if answer.status not in range(200, 300):
        raise DestinationRefusedError(f"{what}: {answer.reason()}")
    return answer.body
