"""Bulk requests: each document is written, refused for good, or still waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from connectors.elasticsearch.server import Answer, Server
from connectors.errors import DestinationUnavailableError

_WRITTEN = range(200, 300)

_NOT_THE_DOCUMENT = ("validation_exception", "index_closed_exception", "pipeline with id")
"""Answers with 400 although the document is good: no room for shards, a closed index, a pipeline that is gone.
Other refusals but 400 (no privilege, a write block, too many requests, no such index) are never the document's."""

_PUSHED_BACK = "es_rejected_execution_exception"

_ANSWER = "errors,items.*.status,items.*.error.type,items.*.error.reason,error,status"
"""What to answer with; the rest would be as large as the request."""


class Operation(msgspec.Struct, frozen=True):
    """One document and what to do with it.

    Attributes:
        index: Index or data stream.
        id: The document's `_id`.
        source: The document as JSON.
        version: External version of an index operation: a lower or equal one changes nothing. None: create.
    """

    index: str
    id: str
    source: bytes
    version: int | None = None

    def lines(self) -> bytes:
        """Return the two lines of the request."""
        target: dict[str, Any] = {"_index": self.index, "_id": self.id}
        if self.version is None:
            action = {"create": target}
        else:
            action = {"index": {**target, "version": self.version, "version_type": "external"}}
        return msgspec.json.encode(action) + b"\n" + self.source + b"\n"


class Written(msgspec.Struct):
    """What became of operations, by their place in the sequence; what is in neither was written, now or before.

    Attributes:
        waiting: Try these again later.
        refused: Never again, and why.
        problem: Why the first of those that wait does.
    """

    waiting: list[int] = []
    refused: dict[int, str] = {}
    problem: str = ""

    def wait(self, places: Sequence[int], problem: str) -> None:
        """Leave some for later."""
        self.waiting.extend(places)
        self.problem = self.problem or problem


class BulkWriter:
    """Writes operations in requests of bounded size; one attempt a call, since the caller paces the next.

    Args:
        server: The cluster.
        request_bytes: Largest request, unless one document alone is larger.
    """

    def __init__(self, server: Server, *, request_bytes: int) -> None:
        self._server = server
        self._most_bytes = self._bytes = request_bytes

    async def write(self, operations: Sequence[Operation]) -> Written:
        """Try each operation once, in order; after a request that fails as a whole the rest wait."""
        written = Written()
        for places, body in self._requests(operations):
            if not await self._send(places, body, written):
                written.wait(range(places.stop, len(operations)), "")
                break
        return written

    def _requests(self, operations: Sequence[Operation]) -> Iterator[tuple[range, bytes]]:
        first, body = 0, bytearray()
        for place, operation in enumerate(operations):
            lines = operation.lines()
            if body and len(body) + len(lines) > self._bytes:
                yield range(first, place), bytes(body)
                first, body = place, bytearray()
            body += lines
        if body:
            yield range(first, len(operations)), bytes(body)

    async def _send(self, places: range, body: bytes, written: Written) -> bool:
        """Make one request; tell whether the next one makes sense."""
        try:
            answer = await self._server.call("POST", "/_bulk", body=body, ndjson=True, filter_path=_ANSWER)
        except DestinationUnavailableError as error:
            written.wait(places, str(error))
            return False
        items = answer.body.get("items") if isinstance(answer.body, dict) else None
        if answer.status == HTTPStatus.OK and isinstance(items, list) and len(items) == len(places):
            pushed_back = [_settle(place, item, written) for place, item in zip(places, items, strict=True)]
            # A cluster under pressure may also take the request and push back its parts.
            self._bytes = max(1, len(body) // 2) if any(pushed_back) else min(self._most_bytes, self._bytes * 2)
            return True
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(places) == 1:
            written.refused[places[0]] = f"larger than the server takes: {len(body)} bytes"
            return True
        if answer.status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS}:
            self._bytes = max(1, len(body) // 2)
        written.wait(places, answer.reason())
        return False


def _settle(place: int, item: Any, written: Written) -> bool:  # noqa: ANN401  what the server sent
    """Sort one item of the answer; tell whether it was pushed back for want of memory."""
    answer = next(iter(item.values())) if isinstance(item, dict) and item else {}
    status = answer.get("status", 0) if isinstance(answer, dict) else 0
    if status in _WRITTEN or status == HTTPStatus.CONFLICT:
        return False
    reason = Answer(status, answer).reason()
    if status == HTTPStatus.BAD_REQUEST and not any(words in reason for words in _NOT_THE_DOCUMENT):
        written.refused[place] = reason
    else:
        written.wait([place], reason)
    return _PUSHED_BACK in reason
