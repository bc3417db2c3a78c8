"""What the driver relies on in Faust and aiokafka, private parts included: fails when a pin moves one of them."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import aiokafka
import aiokafka.client
import faust
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from faust.tables import recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

from connectors.kafka.client import MakingNothing
from detector.runtime.kafka.app import StageApp
from detector.runtime.kafka.transport import ChunkConsumer, ChunkTransport, ReadingThread


def test_versions_are_the_ones_that_were_read() -> None:
    assert (version("faust-streaming"), version("aiokafka")) == ("0.15.3", "0.14.0")


@pytest.mark.parametrize(
    ("base", "name", "parameters"),
    [
        (driver.Consumer, "_new_consumer_thread", ["self"]),
        (driver.Consumer, "_drain_messages", ["self", "fetcher"]),
        (driver.Consumer, "_getmany", ["self", "active_partitions", "timeout"]),
        (driver.Consumer, "perform_seek", ["self"]),
        (driver.Consumer, "seek_wait", ["self", "partitions"]),
        (driver.Consumer, "position", ["self", "tp"]),
        (driver.Consumer, "commit", ["self", "topics", "start_new_transaction"]),
        (driver.Consumer, "on_partitions_revoked", ["self", "revoked"]),
        (driver.Consumer, "on_partitions_assigned", ["self", "assigned", "generation_id"]),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
        (driver.AIOKafkaConsumerThread, "verify_event_path", ["self", "now", "tp"]),
        (faust.App, "_create_directories", ["self"]),
    ],
)
def test_what_is_overridden_or_called_is_there(base: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(base, name)).parameters) == parameters


def test_our_classes_are_the_ones_in_use() -> None:
    assert ChunkTransport.Consumer is ChunkConsumer
    assert "_new_consumer_thread" in vars(ChunkConsumer)
    assert "_create_worker_consumer" in vars(ReadingThread)
    assert vars(StageApp)["BootStrategy"].enable_kafka_producer is False


def test_faust_reads_only_by_our_loop_and_seeks_only_by_our_seek() -> None:
    assert "await consumer._drain_messages(self)" in inspect.getsource(consumer.Fetcher)
    assert "consumer.perform_seek()" in inspect.getsource(recovery.Recovery._resume_streams)
    assert "if not self.tables" in inspect.getsource(recovery.Recovery)


def test_faust_creates_the_consumer_by_the_method_we_replace() -> None:
    source = inspect.getsource(driver.AIOKafkaConsumerThread._create_consumer)
    assert "self._create_worker_consumer(transport)" in source


def test_the_flow_is_stopped_before_the_callbacks_of_a_rebalance() -> None:
    source = inspect.getsource(driver.AIOKafkaConsumerThread._fetch_records)
    assert "if not self.consumer.flow_active" in source


def test_no_client_makes_a_topic_by_asking_for_it() -> None:
    assert vars(aiokafka.client)["MetadataRequest"] is MakingNothing
    assert "MetadataRequest(list(topics) if topics else None)" in inspect.getsource(AIOKafkaClient._metadata_update)
    request = MakingNothing(["t"]).prepare({3: (0, 5)})
    assert request.to_object() == {"topics": ["t"], "allow_auto_topic_creation": False}


def test_a_position_passes_the_markers_of_transactions() -> None:
    source = inspect.getsource(fetcher.FetchResult.getall)
    assert "self._update_position()" in source


def test_a_failed_record_shows_only_in_its_own_future() -> None:
    # The reason why `commit` awaits every delivery; the day this changes, look at transaction.py.
    source = inspect.getsource(aiokafka.AIOKafkaProducer.commit_transaction)
    assert "_message_accumulator" not in source
