"""Makes the rules and dashboards: `make grafana`.

rules       recording and alerting rules, in Prometheus's YAML
dashboards  what Grafana shows, in its JSON
"""
