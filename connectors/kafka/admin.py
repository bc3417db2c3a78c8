"""Topics of a cluster: looked at, made, and their settings changed. Nothing here deletes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, for_code

from connectors.errors import ConnectorError, SourceUnavailableError
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.refusals import explain_error
from connectors.kafka.settings import KafkaConnection
from connectors.kafka.topic import Topic

_SET_FOR_TOPIC = 1
"""Source of a setting in DescribeConfigs: this topic's own, and no default (KIP-226)."""


class TopicRefusedError(ConnectorError):
    """The cluster does not do what was asked of a topic; says why."""


@asynccontextmanager
async def administering(connection: KafkaConnection) -> AsyncIterator[TopicAdmin]:
    """Connect as administrator of topics.

    Raises:
        SourceUnavailableError: No broker can be used.
        ConnectorSettingsError: A certificate or secret cannot be read.
    """
    client = AIOKafkaAdminClient(**client_arguments(connection, "isthmus-topics"))
    try:
        await start_client(client, connection)
        yield TopicAdmin(client)
    except (KafkaError, TimeoutError) as error:
        raise SourceUnavailableError(f"kafka: {explain_error(error)}") from error
    finally:
        await client.close()


class TopicAdmin:
    """Reads, makes and configures topics."""

    def __init__(self, client: AIOKafkaAdminClient) -> None:
        self._client = client

    async def read(self, names: Collection[str], *, configs: bool = True) -> dict[str, Topic]:
        """Return the topics of these names that exist.

        Args:
            names: Topics to look for.
            configs: False leaves settings out; reading them wants the right DescribeConfigs.

        Raises:
            TopicRefusedError: We may not look.
        """
        # All topics are asked for: asking for one by name makes it, where the broker makes topics by itself.
        described = await self._client.describe_topics()
        shapes = {each["topic"]: each["partitions"] for each in described if each["topic"] in names}
        settings = await self._configs(sorted(shapes)) if configs and shapes else {}
        return {
            name: Topic(
                name,
                len(partitions),
                min(len(partition["replicas"]) for partition in partitions),
                settings.get(name, ({}, frozenset()))[0],
                settings.get(name, ({}, frozenset()))[1],
            )
            for name, partitions in shapes.items()
        }

    async def cluster_id(self) -> str:
        """Return the id of the cluster, which stays the same for as long as its data."""
        described = await self._client.describe_cluster()
        return str(described["cluster_id"])

    async def create(self, topic: Topic) -> None:
        """Make a topic.

        Raises:
            TopicRefusedError: It exists, we may not, or there are fewer brokers than copies.
        """
        wanted = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=dict(topic.config))
        reply = await self._client.create_topics([wanted])
        _raise_for((name, code, text) for name, code, text, *_ in reply.topic_errors)

    async def configure(self, topic: Topic, changes: Mapping[str, str]) -> None:
        """Change settings of a topic; its other own settings stay.

        Args:
            topic: As `read` found it.
            changes: New values by Kafka's names.

        Raises:
            TopicRefusedError: A value is wrong, or we may not.
        """
        # This request replaces all own settings, so those that stay are said again.
        kept = {name: topic.config[name] for name in sorted(topic.own)}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, {**kept, **changes})
        for reply in await self._client.alter_configs([resource]):
            _raise_for((name, code, text) for code, text, _, name in reply.resources)

    async def _configs(self, names: Sequence[str]) -> dict[str, tuple[dict[str, str], frozenset[str]]]:
        found = dict[str, tuple[dict[str, str], frozenset[str]]]()
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        for reply in await self._client.describe_configs(resources):
            for code, text, _, name, entries in reply.resources:
                _raise_for([(name, code, text)])
                values = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
                found[name] = values, frozenset(entry[0] for entry in entries if entry[3] == _SET_FOR_TOPIC)
        return found


def _raise_for(results: Any) -> None:  # noqa: ANN401  rows of aiokafka's untyped replies
    """Raise for the first (topic, error code, text) that is one."""
    for name, code, text in results:
        if code:
            kind = for_code(code)
            wanted = " (see `isthmus topics acls`)" if kind is TopicAuthorizationFailedError else ""
            raise TopicRefusedError(f"topic {name}: {text or kind.description}{wanted}")
