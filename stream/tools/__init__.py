"""The commands beside the worker, a module each."""
