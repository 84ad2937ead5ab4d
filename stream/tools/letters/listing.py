"""`odr dead-letters list` and `show`: the selected letters, as they were committed when it started."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

import click
from aiokafka import TopicPartition
from rich.console import Console

from stream.errors import UserError
from stream.settings import Settings
from stream.tools.letters.letter import Letter, Place
from stream.tools.letters.reading import Bar, Reader, Span, length
from stream.tools.letters.rendering import Summary, as_json, line, whole
from stream.tools.letters.selection import Selection
from stream.tools.topics import partitions_of
from stream.topics import dead_letters

Letters = AsyncGenerator[Letter, None]


class LetterError(UserError):
    """There is no such letter; the message is one line for the user."""


async def selected(settings: Settings, selection: Selection, console: Console) -> Letters:
    """Yield the selected letters by topic, partition and offset, with a progress bar if the console is a terminal.

    Raises KafkaError where the broker or a topic is missing.
    """
    topics = [dead_letters(topic) for topic in selection.topics]
    partitions = await partitions_of(settings, topics)
    async with Reader(settings, "read_committed") as reader:
        spans = await reader.spans(topics, partitions)
        with Bar(console) as bar:
            bar.begin("dead letters read", length(spans))
            for topic in selection.topics:
                async for letter in reader.letters(topic, spans, bar.advance):
                    if selection.holds(letter):
                        yield letter


async def placed(settings: Settings, places: Sequence[Place]) -> Letters:
    """Yield the letters at these places; raises LetterError where there is none."""
    topics = sorted({dead_letters(place.topic) for place in places})
    partitions = await partitions_of(settings, topics)
    async with Reader(settings, "read_committed") as reader:
        spans = await reader.spans(topics, partitions)
        for place in places:
            yield await _at(settings, reader, spans, place)


async def _at(settings: Settings, reader: Reader, spans: Mapping[TopicPartition, Span], place: Place) -> Letter:
    source = TopicPartition(settings.topic(dead_letters(place.topic)), place.spot.partition)
    there, offset = spans.get(source, Span(0, 0)), place.spot.offset
    if there.start <= offset < there.end:
        span = {source: Span(offset, offset + 1)}
        async with aclosing(reader.letters(place.topic, span, lambda _: None)) as letters:
            async for letter in letters:
                return letter
    raise LetterError(f"there is no dead letter {place}")


async def summarized(letters: Letters) -> Summary:
    """Return how many letters there are of each topic and reason."""
    summary = Summary()
    async for letter in letters:
        summary.add(letter)
    return summary


async def tell_each(letters: Letters, *, json: bool) -> None:
    """Write each letter on one line."""
    async for letter in letters:
        click.echo(as_json(letter, whole=False) if json else line(letter))


async def tell_whole(letters: Letters, limit: int | None, *, json: bool) -> None:
    """Write whole letters, not more than `limit`, and tell if there are more."""
    told = 0
    async with aclosing(letters):
        async for letter in letters:
            if told == limit:
                click.echo(f"these are the first {limit}, there are more: --limit", err=True)
                return
            click.echo(as_json(letter, whole=True) if json else "\n".join(whole(letter)))
            told += 1
