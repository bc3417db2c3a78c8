"""Errors of the client in words that name what is missing."""

from __future__ import annotations

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from connectors.kafka.refusals import explain_error


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (TopicAuthorizationFailedError("isthmus.raw.v1"), "topic isthmus.raw.v1"),
        (TopicAuthorizationFailedError({"b.v1", "a.v1"}), "topic a.v1, b.v1"),
        (GroupAuthorizationFailedError("isthmus-sense"), "consumer group isthmus-sense"),
        (TransactionalIdAuthorizationFailed("isthmus-sense-0"), "transactional id isthmus-sense-0"),
    ],
)
def test_a_right_that_is_missing_is_named(error: KafkaError, named: str) -> None:
    assert f"does not let us do this with {named}: compare its ACLs with `isthmus topics acls`" in explain_error(error)


def test_it_is_found_below_what_it_caused() -> None:
    """Aiokafka says "Unexpected error during batch delivery" of whatever its sender failed on."""
    error = KafkaError("Unexpected error during batch delivery")
    error.__cause__ = TopicAuthorizationFailedError("isthmus.raw.v1")
    assert "topic isthmus.raw.v1" in explain_error(error)


def test_other_errors_keep_their_words() -> None:
    assert explain_error(OSError("no route")) == "no route"
    assert explain_error(TimeoutError()) == "TimeoutError()"
