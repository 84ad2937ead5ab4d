"""What an alert says: pieces of Prometheus's templates, which are filled in when it fires."""

from typing import Final

from grafana.generate.rules.names import TARGETS, Names
from stream.rates import Condition

SELLER: Final = "{{ $labels.seller }}"
MARKETPLACE: Final = "{{ $labels.marketplace }}"
TOPIC: Final = "{{ $labels.topic }}"
INSTANCE: Final = "{{ $labels.instance }}"
JOB: Final = "{{ $labels.job }}"
COUNT: Final = "{{ $value }}"
SHARE: Final = "{{ $value | humanizePercentage }}"
DURATION: Final = "{{ $value | humanizeDuration }}"

SELLERS_PAGE: Final = "/seller?id={{ $labels.seller | urlquery }}"
"""The path of the seller's page, orders and all, on any worker."""

_WORDS: Final[dict[Condition, str]] = {
    "less_than": "below",
    "greater_than": "above",
    "at_least": "at least",
    "equals": "no more than",
}


def counted(noun: str) -> str:
    """Return the alert's value and what it counts, in the plural unless it is 1."""
    return f"{COUNT} {noun}{{{{ if ne $value 1.0 }}}}s{{{{ end }}}}"


def title(names: Names) -> str:
    """Return how a metric is called in a sentence."""
    return f"{names.metric.name.replace('_', ' ')} ratio"


def figure(names: Names) -> str:
    """Return the sentence that says whose figure it is and what it comes to, counts and target included."""
    rest = [f"{{{{ $labels.{label} }}}}" for label in names.labels if label not in {"seller", "marketplace"}]
    return (
        f"{SELLER} in {MARKETPLACE} ({', '.join(rest)}): {title(names)} {SHARE}, "
        f"{_lookup(names, names.numerator)} of {_lookup(names, names.denominator)}; "
        f"it must be {_WORDS[names.target.condition]} {target(names)}."
    )


def target(names: Names) -> str:
    """Return the marketplace's target as a percentage."""
    of_marketplace = f"{TARGETS}{{metric='{names.metric.name}',job=%q,marketplace=%q}}"
    return (
        f"{_query(of_marketplace, ('job', 'marketplace'))}{{{{ . | first | value | humanizePercentage }}}}{{{{ end }}}}"
    )


def _lookup(names: Names, series: str) -> str:
    """Return the value that a series has for the very labels of the alert."""
    labels = ("job", *names.labels)
    matchers = ",".join(f"{label}=%q" for label in labels)
    return f"{_query(f'{series}{{{matchers}}}', labels)}{{{{ . | first | value }}}}{{{{ end }}}}"


def _query(selector: str, labels: tuple[str, ...]) -> str:
    values = " ".join(f"$labels.{label}" for label in labels)
    return f'{{{{ with printf "{selector}" {values} | query }}}}'
