"""What Grafana shows, built with Grafana's own schema.

panels     the kinds of panel, and what every one of them has
frame      a dashboard around rows of panels: variables, links, layout
figures    the sellers' figures as panels ask for them
overview   who is over target, who is about to be, why, and how fresh that is
seller     one seller, figure by figure
pipeline   the workers
history    what a replay has written: as known then, and as known now
"""
