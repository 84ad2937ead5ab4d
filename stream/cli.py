"""The program: `odr`, with a command for each thing one does."""

import asyncio
import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import stamina
from rich.console import Console

from stream import __version__
from stream.asyncapi import document
from stream.program import CONNECTION, COUNTING, DAY, SPEED, WORKER, Program, tell_surprise, with_settings
from stream.schema import BEYOND, RECORDS
from stream.schema import schema as schema_of
from stream.settings import Settings
from stream.tools.letters.letter import Place
from stream.tools.letters.selection import Placed, Selection, with_selection
from stream.topics import INPUT_TOPICS


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="odr")
def main() -> None:
    """Compute the live account health of marketplace sellers: from Kafka, for Prometheus."""
    # What is wrong is told by us, in one line: the Kafka client's own words come with every retry.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    stamina.instrumentation.set_on_retry_hooks([])
    sys.excepthook = tell_surprise


@main.command()
@with_settings(*CONNECTION, "group", "partitions", "replication")
def topics(settings: Settings) -> None:
    """Create the topics that are missing, and check those that are there."""
    from stream.tools.topics import create, wanted  # noqa: PLC0415

    created = asyncio.run(create(settings))
    for name in created:
        click.echo(f"created {name}")
    click.echo(f"{len(wanted(settings))} topics are as they must be")


@main.command()
@click.option("--verbose", "-v", "level", flag_value="verbose", help="Log what the Kafka client does, too.")
@click.option("--quiet", "level", flag_value="quiet", help="Log nothing but warnings.")
@with_settings(*WORKER)
def worker(settings: Settings, level: str | None) -> None:
    """Compute the figures of the group's sellers and serve them: metrics, API and pages."""
    from stream.worker.run import run  # noqa: PLC0415

    sys.exit(run(settings, level or "usual"))


@main.command()
@click.option(
    "--speed", type=SPEED, help="Relive the history, so much of it in a second [default: fill it in at once]."
)
@with_settings("brokers", "http_host", "http_port")
def demo(settings: Settings, speed: timedelta | None) -> None:
    """Show the program at work: a real Kafka, a simulated marketplace, a worker and its live page.

    With --speed 1d/s its 90 days pass in as many seconds, and one watches the sellers get into trouble, and out of it.

    A broker named in STREAM_BROKERS, or with --brokers, is used instead of one of its own.
    """
    from stream.tools.demo import GROUP, PREFIX, run  # noqa: PLC0415

    own_broker = "brokers" not in settings.model_fields_set
    made_up = settings.model_copy(update={"topic_prefix": PREFIX, "group": GROUP})
    sys.exit(run(made_up, own_broker=own_broker, speed=speed, console=Console(stderr=True)))


_ABOVE_ZERO: Final = click.FloatRange(0, min_open=True)


@main.command()
@click.option("--sellers", type=click.IntRange(1), default=50, help="How many sellers there are [default 50].")
@click.option("--days", type=click.IntRange(1), default=100, help="Days of history [default 100].")
@click.option("--orders-per-day", type=_ABOVE_ZERO, default=1000.0, help="Orders a day, in history [default 1000].")
@click.option("--rate", type=_ABOVE_ZERO, default=5.0, help="Live events a second [default 5].")
@click.option("--seed", type=int, default=7, help="The same seed makes the same market [default 7].")
@click.option("--only-history", is_flag=True, help="End after the history.")
@with_settings(*CONNECTION)
def simulate(settings: Settings, only_history: bool, **market: Any) -> None:
    """Fill the input topics with a simulated marketplace: its history first, then live events until Ctrl-C."""
    from stream.tools.market import simulate as play  # noqa: PLC0415
    from stream.tools.simulate import Market, MarketSettings  # noqa: PLC0415

    simulated = Market(MarketSettings(**market), datetime.now(UTC))
    with suppress(KeyboardInterrupt):
        asyncio.run(play(settings, simulated, market["days"], Console(stderr=True), only_history=only_history))


@main.group()
def ingest() -> None:
    """Bring data into the input topics."""


@ingest.command("events")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings(*CONNECTION)
def ingest_events(settings: Settings, file: Path) -> None:
    """Produce the events of FILE, a .jsonl or .jsonl.gz with a {"topic", "key", "value"} in each line.

    What `odr archive` has written gives the same topics again.

    A line that can't be used is told with its number, the rest goes on, and the exit status is 1.
    """
    from stream.tools.ingest import ingest as produce  # noqa: PLC0415

    outcome = asyncio.run(produce(settings, file, Console(stderr=True)))
    click.echo(f"{outcome.produced} events produced, {outcome.refused} lines refused")
    sys.exit(1 if outcome.refused else 0)


@main.group("dead-letters")
def dead_letters() -> None:
    """List, show and put back the records that were no valid event."""


@dead_letters.command("list")
@click.option("--each", is_flag=True, help="A line for each letter: place, time, seller, reason, detail.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each letter.")
@with_selection
@with_settings(*CONNECTION)
def list_letters(settings: Settings, selection: Selection, *, each: bool, as_json: bool) -> None:
    """Tell how many dead letters there are of each topic and reason, from when to when."""
    from stream.tools.letters.listing import selected, summarized, tell_each  # noqa: PLC0415
    from stream.tools.letters.rendering import table  # noqa: PLC0415

    in_lines = each or as_json
    letters = selected(settings, selection, _bar(beside_lines=in_lines))
    if in_lines:
        asyncio.run(tell_each(letters, json=as_json))
        return
    summary = asyncio.run(summarized(letters))
    if summary.groups:
        Console().print(table(summary))
    click.echo(f"{summary.letters:,} dead letters")


def _bar(*, beside_lines: bool) -> Console:
    """Return where a progress bar may be: not where the command's own lines are written at the same time."""
    return Console(stderr=True, force_terminal=False if beside_lines and sys.stdout.isatty() else None)


@dead_letters.command("show")
@click.argument("places", nargs=-1, type=Placed(), metavar="[TOPIC/PARTITION/OFFSET]...")
@click.option(
    "--limit", type=click.IntRange(1), default=10, help="Not more than this many of a selection [default 10]."
)
@click.option(
    "--json", "as_json", is_flag=True, help="A line of JSON for each letter; bytes that are no UTF-8 are in base64."
)
@with_selection
@with_settings(*CONNECTION)
def show_letters(
    settings: Settings, selection: Selection, places: tuple[Place, ...], *, limit: int, as_json: bool
) -> None:
    """Print whole dead letters: headers, key and value.

    Those at the given places, or those that the flags select. What a terminal could take for a command is printed as
    an escape; --json gives every byte exactly.
    """
    from stream.tools.letters.listing import placed, selected, tell_whole  # noqa: PLC0415

    if places and selection != Selection():
        raise click.UsageError("accepts places, or flags that select letters, not both")
    letters = placed(settings, places) if places else selected(settings, selection, _bar(beside_lines=True))
    asyncio.run(tell_whole(letters, None if places else limit, json=as_json))


@dead_letters.command("requeue")
@click.option("--again", is_flag=True, help="Also letters whose record was put back before and was malformed again.")
@click.option("--dry-run", is_flag=True, help="Tell which letters would be put back, and change nothing.")
@with_selection
@with_settings(*CONNECTION)
def requeue_letters(settings: Settings, selection: Selection, *, again: bool, dry_run: bool) -> None:
    """Put the records of dead letters back into their input topic, when what was wrong is right by now.

    Key and value go back byte for byte, into the same partition, with the header `requeued-from`. A record is put
    back once, however often this runs, also after it was killed; if it is malformed again, its new letter is left
    alone unless --again is given. The record's Kafka timestamp is the time at which it is put back: an event that was
    `from_the_future` is valid as soon as its event_time is less than 24 hours ahead.
    """
    from stream.tools.letters.ledger import LEFT_ALONE  # noqa: PLC0415
    from stream.tools.letters.rendering import line  # noqa: PLC0415
    from stream.tools.letters.requeue import requeue  # noqa: PLC0415

    instead = (lambda letter: click.echo(line(letter))) if dry_run else None
    console = _bar(beside_lines=dry_run)
    outcome = asyncio.run(requeue(settings, selection, console, again=again, instead=instead))
    click.echo(f"{outcome.put_back:,} {'would be ' if dry_run else ''}put back")
    for why, letters in outcome.left_alone.most_common():
        click.echo(f"{letters:,} left alone: {LEFT_ALONE[why]}")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--topic", "topics", multiple=True, type=click.Choice(INPUT_TOPICS), help="Only this one [default: all].")
@click.option("--overwrite", is_flag=True, help="Replace FILE where it is there.")
@with_settings(*CONNECTION)
def archive(settings: Settings, file: Path, topics: tuple[str, ...], overwrite: bool) -> None:
    """Write the input topics to FILE (.jsonl or .jsonl.gz), a record in each line, also those that are no valid events.

    `odr ingest events FILE` makes the same topics of it again.
    """
    from stream.tools.archive import archive as write  # noqa: PLC0415

    if file.exists() and not overwrite:
        raise click.ClickException(f"{file} is there already: give another name, or --overwrite")
    written = asyncio.run(write(settings, file, topics or INPUT_TOPICS, Console(stderr=True)))
    click.echo(f"{written} records written")


_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@main.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "first_day", type=DAY, help="The first evaluation day [default: that of the first event].")
@click.option("--to", "last_day", type=DAY, help="The last evaluation day [default: today].")
@click.option("--seller", help="Only this seller: a table with a line for each day.")
@click.option("--marketplace", help="Only this marketplace.")
@click.option("--csv", type=_FILE, help="Write every figure of every day to this file.")
@click.option("--parquet", type=_FILE, help="The same as Parquet (needs the extra `parquet`).")
@click.option(
    "--prometheus",
    "blocks",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write blocks into this data directory of a Prometheus (needs promtool).",
)
@click.option("--name", help="What the replay is called in Prometheus [default: when it was begun].")
@click.option("--table/--no-table", default=None, help="Print a table [default: where nothing else is asked for].")
@click.option("--processes", type=click.IntRange(1), help="At a time [default: one a core].")
@click.option(
    "--live", is_flag=True, help="Feed history into topics again, as if it happened now; it must fit into memory."
)
@click.option("--speed", type=SPEED, help="With --live: history per second [default 1d/s].")
@click.option("--into", help="With --live: the topic prefix to feed; run a worker on it with STREAM_TODAY=events.")
@with_settings(*CONNECTION, *COUNTING, "today", "data_dir")
def replay(settings: Settings, file: Path | None, **asked: Any) -> None:
    """Compute every figure of every evaluation day from history: as known at the end of that day, and as known now.

    History is the input topics, or FILE as `odr archive` writes it. No live worker is touched. A replay that is stopped
    goes on where it was when the same command is given again.

    With --live nothing is computed or written: the chosen seller, the chosen marketplace's orders or all of history is
    fed until the end of --to, and what happened before --from at once.
    """
    from stream.tools.replay.command import replay as run  # noqa: PLC0415

    run(settings, file, **asked)


@main.command()
@click.option("--worker", "workers", multiple=True, metavar="HOST:PORT", help="A worker [default: those of the group].")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@with_settings(*CONNECTION, "group")
def audit(settings: Settings, workers: tuple[str, ...], as_json: bool) -> None:
    """Recount every figure from the stored order states, and compare with the workers' counters and gauges.

    Exit status 0: all agree; 3: some figure differs; 1: it can't be told.
    """
    from stream.tools import audit as auditing  # noqa: PLC0415

    report = asyncio.run(auditing.audit(settings, workers))
    if as_json:
        click.echo(json.dumps(auditing.as_json(report)))
    else:
        auditing.show(report, Console())
    sys.exit(3 if report.mismatches else 0)


@main.command(
    epilog="\b\nWhat no schema can say of an event:\n\n"
    + "\n\n".join(f"{told[0].upper()}{told[1:]}." for told in BEYOND.values())
)
@click.argument("topic", required=False, type=click.Choice(tuple(RECORDS)), metavar="[TOPIC]")
@click.option("--asyncapi", is_flag=True, help="The AsyncAPI 3 document of all topics, with keys and headers.")
@with_settings("topic_prefix", "brokers", "security_protocol")
def schema(settings: Settings, topic: str | None, *, asyncapi: bool) -> None:
    """Print the JSON Schema of a topic's records; without TOPIC those of all topics, an object by topic.

    Of an input topic and of `health-changes` it is the schema of a value, of `<topic>.dead-letters` that of the
    headers. Each is complete in itself, of draft 2020-12. TOPIC has no prefix.
    """
    if asyncapi and topic is not None:
        raise click.UsageError("accepts a topic or --asyncapi, not both")
    if asyncapi:
        secure = "SSL" in settings.security_protocol
        told = document(
            settings.topic_prefix, [broker.strip() for broker in settings.brokers.split(",")], secure=secure
        )
    else:
        told = schema_of(topic) if topic is not None else {name: schema_of(name) for name in RECORDS}
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


@main.command()
@click.option(
    "--directory", type=click.Path(file_okay=False, path_type=Path), default=Path(".odr/kafka"), show_default=True
)
@click.option("--port", type=click.IntRange(1, 65_535), default=9092, show_default=True)
def kafka(directory: Path, port: int) -> None:
    """Run a real Kafka on this machine, as the demo and the tests do; Ctrl-C stops it."""
    from stream.tools.kafka import run  # noqa: PLC0415

    sys.exit(run(directory, port))
