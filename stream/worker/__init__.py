"""The shell: the only place that knows Kafka, Faust, disk, clocks and the network."""
