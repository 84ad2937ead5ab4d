"""`odr dead-letters`: what was no valid event is listed, shown, and put back.

`letter` says what a dead letter is, `selection` which ones are meant, `ledger` which of them are put back, `rendering`
how they are told; `reading`, `listing` and `requeue` talk to Kafka.
"""
