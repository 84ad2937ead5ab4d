"""`python -m stream` is `odr`."""

from stream.cli import main

main(prog_name="odr")
