"""Everything about watching: rules, dashboards, runbooks, and the Python that makes them from the table of metrics."""
