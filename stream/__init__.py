"""The live account health of marketplace sellers."""

__version__ = "0.1.0"
