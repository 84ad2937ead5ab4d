"""The AsyncAPI document: valid, the same as the committed one, and true of the topics as they are made and filled."""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from click.testing import CliRunner

from stream import __version__, asyncapi
from stream.cli import main
from stream.schema import EXAMPLES, RECORDS, schema
from stream.settings import Settings
from stream.tools.topics import wanted
from stream.topics import HEALTH_CHANGES, INPUT_TOPICS, dead_letters, order_states

DOCUMENT: Final = asyncapi.document()
COMMITTED: Final = Path(asyncapi.__file__).with_suffix(".json")
# AsyncAPI's own schema, as its initiative publishes it: see the README beside it.
OFFICIAL: Final = jsonschema_rs.validator_for(
    gzip.decompress((Path(__file__).parents[1] / "asyncapi" / "3.0.0.json.gz").read_bytes()).decode(),
    validate_formats=True,
    offline=True,
)


def resolved(node: Any) -> Any:
    """Return a part of the document with what it refers to in its place; raises KeyError where there is nothing."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def message_of(topic: str) -> Any:
    (message,) = DOCUMENT["channels"][topic.replace(".", "-")]["messages"].values()
    return resolved(message)


def test_the_document_is_valid_by_the_schema_of_asyncapi() -> None:
    OFFICIAL.validate(DOCUMENT)
    OFFICIAL.validate(asyncapi.document("eu.", ["a:1", "b:2"], secure=True))


@pytest.mark.parametrize(
    "path",
    [
        ("asyncapi",),
        ("info", "title"),
        ("channels", "orders", "address"),
        ("channels", "orders", "bindings", "kafka", "topicConfiguration", "retention.ms"),
        ("operations", "receive-orders", "action"),
        ("components", "messages", "OrderEvent", "bindings", "kafka", "bindingVersion"),
        ("components", "schemas", "OrderEvent", "properties", "order_id", "maxLength"),
    ],
)
def test_the_schema_of_asyncapi_finds_what_is_wrong(path: tuple[str, ...]) -> None:
    spoilt = json.loads(json.dumps(DOCUMENT))
    node = spoilt
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = ["wrong"]
    assert not OFFICIAL.is_valid(spoilt)


def test_the_committed_document_is_the_commands() -> None:
    """`make asyncapi` writes it anew."""
    printed = CliRunner(env={"STREAM_TOPIC_PREFIX": None, "STREAM_BROKERS": None}).invoke(
        main, ["schema", "--asyncapi"]
    )
    assert json.loads(printed.stdout) == DOCUMENT
    assert COMMITTED.read_text(encoding="utf-8") == printed.stdout
    assert DOCUMENT["info"]["version"] == __version__


def test_every_topic_but_the_workers_own_is_in_it_as_it_is_made() -> None:
    channels = {channel["address"]: channel for channel in DOCUMENT["channels"].values()}
    made = wanted(Settings.read())
    del made[order_states(Settings.read().group)]
    assert channels.keys() == made.keys() == RECORDS.keys()
    for topic, settings in made.items():
        kafka = channels[topic]["bindings"]["kafka"]
        told = {
            name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in kafka["topicConfiguration"].items()
        }
        assert (kafka["topic"], told) == (topic, settings)


def test_a_worker_receives_the_input_topics_and_sends_the_others() -> None:
    actions = {
        (operation["action"], resolved(operation["channel"])["address"])
        for operation in DOCUMENT["operations"].values()
    }
    letters = {("send", dead_letters(topic)) for topic in INPUT_TOPICS}
    assert actions == {("receive", topic) for topic in INPUT_TOPICS} | letters | {("send", HEALTH_CHANGES)}
    for operation in DOCUMENT["operations"].values():
        (message,) = operation["messages"]
        assert resolved(message)["name"]


@pytest.mark.parametrize("topic", RECORDS)
def test_a_message_has_the_schema_of_its_topic(topic: str) -> None:
    message = message_of(topic)
    own = schema(topic)
    told = resolved(message["payload" if topic in EXAMPLES else "headers"])
    in_place = json.dumps(own).replace("#/$defs/", "#/components/schemas/")
    for name, value in told.items():
        assert value == json.loads(in_place)[name]
    assert own.keys() - told.keys() <= {"$schema", "$defs", "examples"}
    for name, part in json.loads(in_place).get("$defs", {}).items():
        assert DOCUMENT["components"]["schemas"][name] == part


@pytest.mark.parametrize("topic", EXAMPLES)
def test_the_key_is_the_seller_of_the_value(topic: str) -> None:
    message = message_of(topic)
    key = message["bindings"]["kafka"]["key"]
    assert message["examples"] == [{"payload": EXAMPLES[topic]}]
    limits = {name: value for name, value in key.items() if name != "description"}
    assert limits.items() <= schema(topic)["properties"]["seller_id"].items()


def test_what_is_embedded_are_valid_schemas_that_take_their_examples() -> None:
    for topic in EXAMPLES:
        # As draft 7, which AsyncAPI's own kind of schema extends, and as the draft that `odr schema` names.
        for dialect in ("http://json-schema.org/draft-07/schema#", schema(topic)["$schema"]):
            whole = {"$schema": dialect, **resolved(message_of(topic)["payload"]), "components": DOCUMENT["components"]}
            jsonschema_rs.validator_for(whole, validate_formats=True).validate(EXAMPLES[topic])


def test_prefix_and_brokers_are_those_of_the_settings() -> None:
    ran = CliRunner(env={"STREAM_TOPIC_PREFIX": "eu.", "STREAM_SECURITY_PROTOCOL": "SASL_SSL"}).invoke(
        main, ["schema", "--asyncapi", "--brokers", "a:1, b:2"]
    )
    told = json.loads(ran.stdout)
    assert told == asyncapi.document("eu.", ["a:1", "b:2"], secure=True)
    assert {channel["address"] for channel in told["channels"].values()} == {f"eu.{topic}" for topic in RECORDS}
    assert [(server["host"], server["protocol"]) for server in told["servers"].values()] == [
        ("a:1", "kafka-secure"),
        ("b:2", "kafka-secure"),
    ]
