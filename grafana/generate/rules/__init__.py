"""Recording and alerting rules: of sellers, by the table of metrics; of the pipeline, one by one.

rule       what a rule is, and how it is written
judgement  how a metric's target reads in PromQL
messages   what an alert says
sellers    each metric with a target: records, alerts
pipeline   whether the figures are true and moving
freshness  how soon events are visible: an objective and its burn rates
"""
