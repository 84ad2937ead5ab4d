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

_IN_MARKETPLACE: Final = "var-marketplace={{ $labels.marketplace | urlquery }}"
BOARD: Final = f"/d/odr-seller?var-seller={{{{ $labels.seller | urlquery }}}}&{_IN_MARKETPLACE}"
"""The path of the seller's dashboard in Grafana."""

OVERVIEW: Final = f"/d/odr-overview?{_IN_MARKETPLACE}"
"""The path of the marketplace's overview in Grafana."""

SELLERS_PAGE: Final = "/seller?id={{ $labels.seller | urlquery }}"
"""The path of the seller's page, orders and all, on any worker."""

CONDITIONS: Final[dict[Condition, str]] = {
    "less_than": "below",
    "greater_than": "above",
    "at_least": "at least",
    "equals": "no more than",
}
"""What a figure must be: so, and the target."""


def counted(noun: str) -> str:
    """Return the alert's value and what it counts, in the plural unless it is 1."""
    return f"{COUNT} {noun}{{{{ if ne $value 1.0 }}}}s{{{{ end }}}}"


def figure(names: Names) -> str:
    """Return the sentence that says whose figure it is and what it comes to, counts and target included."""
    must = f"must be {CONDITIONS[names.target.condition]} {target(names)}"
    if not names.is_share:
        one = names.numerators.removesuffix("s")
        return f"{_whose(names)}: {counted(one)}; there {must}.{_by_part(names)}"
    numerator, denominator = _lookup(names, names.numerator), _lookup(names, names.denominator)
    share = f"{names.title} {SHARE}, {numerator} of {denominator} {names.denominators}"
    return f"{_whose(names)}: {share}; it {must}."


def worst_part(names: Names, label: str, value: str) -> str:
    """Return the sentence that says how much of a number there is under one value of a label."""
    one = names.numerators.removesuffix("s")
    return f"{_whose(names)}: {counted(one)} of {value} {label}.{_by_part(names, f',{label}={value!r}')}"


def _whose(names: Names) -> str:
    rest = [f"{{{{ $labels.{label} }}}}" for label in names.labels if label not in {"seller", "marketplace"}]
    return f"{SELLER} in {MARKETPLACE} ({', '.join(rest)})"


def target(names: Names) -> str:
    """Return the marketplace's target: a percentage, or a number."""
    of_marketplace = f"{TARGETS}{{metric='{names.metric.name}',job=%q,marketplace=%q}}"
    told = "value | humanizePercentage" if names.is_share else "value"
    return f"{_query(of_marketplace, ('job', 'marketplace'))}{{{{ . | first | {told} }}}}{{{{ end }}}}"


def _by_part(names: Names, further: str = "") -> str:
    """Return what a number is made of, a sentence for each part that has any."""
    labels = ("job", *names.labels)
    matchers = ",".join(f"{label}=%q" for label in labels)
    selector = f"{names.recorded('max')}{{{matchers}{further}}} > 0"
    kinds, grade = names.parts[:-1], names.parts[-1]
    told = " ".join(f"{{{{ .Labels.{label} }}}}" for label in kinds)
    values = " ".join(f"$labels.{label}" for label in labels)
    asked = f'printf "{selector}" {values} | query | sortByLabel "{kinds[0]}"'
    return f"{{{{ range {asked} }}}} {told}, {{{{ .Labels.{grade} }}}}: {{{{ .Value }}}}.{{{{ end }}}}"


def _lookup(names: Names, series: str) -> str:
    """Return the value that a series has for the very labels of the alert."""
    labels = ("job", *names.labels)
    matchers = ",".join(f"{label}=%q" for label in labels)
    return f"{_query(f'{series}{{{matchers}}}', labels)}{{{{ . | first | value }}}}{{{{ end }}}}"


def _query(selector: str, labels: tuple[str, ...]) -> str:
    values = " ".join(f"$labels.{label}" for label in labels)
    return f'{{{{ with printf "{selector}" {values} | query }}}}'
