"""Requests to an Elasticsearch cluster: one attempt each, since the callers know what may be repeated."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elastic_transport.client_utils import DEFAULT
from elasticsearch import AsyncElasticsearch, UnsupportedProductError

from connectors.elasticsearch.settings import Elasticsearch
from connectors.errors import DestinationUnavailableError

# It warns of each attempt that fails; the callers say an outage once.
logging.getLogger("elastic_transport").setLevel(logging.ERROR)

_NDJSON = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
_JSON = "application/vnd.elasticsearch+json; compatible-with=8"
"""Versions 8 and 9 both speak the interface of 8, and we use nothing that 9 changed."""


MAX_REASON = 500
"""Characters of a reason that are kept: servers quote documents in them."""


class Answer(msgspec.Struct, frozen=True):
    """What the cluster said.

    Attributes:
        status: HTTP status.
        body: Parsed JSON, or text from something in between.
    """

    status: int
    body: Any

    def reason(self) -> str:
        """Return the error in one line."""
        error = self.body.get("error", self.body) if isinstance(self.body, dict) else self.body
        if isinstance(error, dict):
            error = f"{error.get('type', '')}: {error.get('reason', '')}"
        return f"HTTP {self.status} {error}"[:MAX_REASON]


class Server:
    """A client that verifies, does not retry by itself and raises only when nothing answered.

    Raises:
        ConnectorSettingsError: A file or a secret cannot be read.
    """

    def __init__(self, settings: Elasticsearch) -> None:
        encrypted = any(url.startswith("https") for url in settings.urls)
        self._client = AsyncElasticsearch(
            settings.urls,
            basic_auth=settings.login(),
            api_key=settings.api_key(),
            ssl_context=settings.tls() if encrypted else DEFAULT,
            request_timeout=settings.timeout_s,
            # The transport's own retries have no pauses (measured: 0.0 s between three).
            max_retries=0,
            retry_on_timeout=False,
            retry_on_status=(),
        ).options(ignore_status=range(400, 600))

    async def call(
        self, method: str, path: str, *, body: bytes | None = None, ndjson: bool = False, **params: str
    ) -> Answer:
        """Make one request.

        Args:
            method: HTTP method.
            path: Such as ``/_bulk``.
            body: JSON, or lines of it.
            ndjson: The body is lines.
            params: Of the query.

        Raises:
            DestinationUnavailableError: Nothing answered, or not Elasticsearch.
        """
        headers = {"accept": _JSON, **({"content-type": _NDJSON if ndjson else _JSON} if body is not None else {})}
        try:
            reply = await self._client.perform_request(method, path, params=params, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise DestinationUnavailableError("what answers there is not Elasticsearch") from error
        except TlsError as error:
            raise DestinationUnavailableError(f"its certificate is not trusted; set ca_file ({error})") from error
        except ConnectionTimeout as error:
            raise DestinationUnavailableError("no answer in time") from error
        except TransportError as error:
            raise DestinationUnavailableError(f"cannot be reached: {error}"[:MAX_REASON]) from error
        return Answer(reply.meta.status, reply.body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
