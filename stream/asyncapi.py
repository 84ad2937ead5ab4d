"""The AsyncAPI document: every input and output topic with its key, headers and records, made from their types."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream import __version__
from stream.outputs import DeadLetterHeaders, HealthChange
from stream.schema import BEYOND, EVENTS, EXAMPLES, components
from stream.topics import CONFIGURATION, HEALTH_CHANGES, INPUT_TOPICS, dead_letters

VERSION: Final = "3.0.0"
_BINDING: Final = {"bindingVersion": "0.5.0"}
_DEAD_LETTER: Final = "DeadLetter"
_SELLER_KEY: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "description": "The seller_id of the value, in UTF-8: every event of a seller is in one partition.",
}

_ABOUT: Final = """\
The live account health of marketplace sellers: what `odr worker` reads, and what it tells.

Each record of an input topic is the whole current version of one thing, never a difference. Of two versions the one
with the greater (event_time, event_id) wins, whatever order they arrive in; a record seen twice changes nothing.
Optional fields may be absent or null, unknown fields are ignored. All input topics have the same number of partitions,
and one partitioner. What is no valid event goes to the topic's dead letters, byte for byte.

What the schemas can't say of an event:

{beyond}
"""


def document(prefix: str = "", brokers: Sequence[str] = ("localhost:9092",), *, secure: bool = False) -> dict[str, Any]:
    """Return the AsyncAPI 3 document of all topics, named with `prefix`; `secure` says that Kafka is spoken over TLS.

    Its operations are the worker's: it receives input topics and sends output topics.
    """
    topics = _topics()
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "odr-stream",
            "version": __version__,
            "description": _ABOUT.format(beyond="\n".join(f"- {told}" for told in BEYOND.values())),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            f"kafka-{number}": {"host": broker, "protocol": "kafka-secure" if secure else "kafka"}
            for number, broker in enumerate(brokers, 1)
        },
        "channels": {_id(topic): _channel(prefix, topic, *about) for topic, about in topics.items()},
        "operations": dict(_operation(topic, about[0]) for topic, about in topics.items()),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _topics() -> dict[str, tuple[str, str]]:
    """Return each topic's message and description."""
    inputs = {topic: (record.__name__, _summary(record)) for topic, record in EVENTS.items()}
    changes = HealthChange.__name__, _summary(HealthChange)
    letters = {
        dead_letters(topic): (_DEAD_LETTER, f"What was malformed in `{topic}`, byte for byte, with the reason.")
        for topic in INPUT_TOPICS
    }
    return {**inputs, HEALTH_CHANGES: changes, **letters}


def _channel(prefix: str, topic: str, message: str, description: str) -> dict[str, Any]:
    address = prefix + topic
    return {
        "address": address,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": {"topic": address, "topicConfiguration": _configuration(topic), **_BINDING}},
    }


def _configuration(topic: str) -> dict[str, Any]:
    """Return a topic's settings with the types that the Kafka binding has for them."""
    settings: dict[str, Any] = dict(CONFIGURATION[topic])
    settings["cleanup.policy"] = [settings["cleanup.policy"]]
    numbers = {name: int(settings[name]) for name in ("retention.ms", "max.message.bytes") if name in settings}
    return settings | numbers


def _operation(topic: str, message: str) -> tuple[str, dict[str, Any]]:
    action = "receive" if topic in EVENTS else "send"
    channel = f"#/channels/{_id(topic)}"
    return f"{action}-{_id(topic)}", {
        "action": action,
        "summary": f"A worker {'reads' if topic in EVENTS else 'writes'} `{topic}`.",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{message}"}],
    }


def _messages() -> dict[str, Any]:
    records: dict[str, type[msgspec.Struct]] = {**EVENTS, HEALTH_CHANGES: HealthChange}
    told = {
        record.__name__: {
            "name": record.__name__,
            "summary": _summary(record),
            "payload": {"$ref": f"#/components/schemas/{record.__name__}"},
            "examples": [{"payload": EXAMPLES[topic]}],
            "bindings": {"kafka": {"key": _SELLER_KEY, **_BINDING}},
        }
        for topic, record in records.items()
    }
    told[_DEAD_LETTER] = {
        "name": _DEAD_LETTER,
        "summary": "A record that is no valid event.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": f"#/components/schemas/{DeadLetterHeaders.__name__}"},
        "payload": {"description": "The malformed value, byte for byte; may be null."},
        "bindings": {"kafka": {"key": {"description": "The record's key, byte for byte; may be null."}, **_BINDING}},
    }
    return told


def _schemas() -> dict[str, Any]:
    return components([*EVENTS.values(), HealthChange, DeadLetterHeaders], "#/components/schemas/{name}")


def _summary(record: type[msgspec.Struct]) -> str:
    return (record.__doc__ or "").partition("\n")[0]


def _id(topic: str) -> str:
    return topic.replace(".", "-")
