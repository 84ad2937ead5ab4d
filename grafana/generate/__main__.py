"""`python -m grafana.generate`: writes every file that is made."""

import click

from grafana.generate.outputs import HOME, RUNBOOKS, outputs


@click.command()
@click.option("--runbooks", default=RUNBOOKS, show_default=True, help="The address under which the runbooks are.")
def generate(runbooks: str) -> None:
    """Write the rules and dashboards anew."""
    for path, text in outputs(runbooks.rstrip("/")):
        (HOME / path).write_text(text, encoding="utf-8")
        click.echo(HOME.name / path, err=True)


if __name__ == "__main__":
    generate()
