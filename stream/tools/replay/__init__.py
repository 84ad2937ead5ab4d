"""`odr replay`: history read again, and every figure told as it was known on each day and as it is known now.

history.py what is read, by partition; rows.py what is told; blocks.py the same for Prometheus; run.py puts them
together, a partition in each process; live.py feeds history into topics as if it happened again.
"""
