"""A marketplace that behaves like one: the load of the demo, the tests and the benchmark (see README.md here).

stories    what may become of a thing: tables, no code
sellers    who sells, how much, how well, and how often it goes wrong
things     an order, its packages, what its buyer has to say; a violation
timeline   what is going to happen, and when
news       what happens to older orders while one watches
fulfilment packages on their way, messages and their answers
market     lets orders be placed, and everything follow
"""

from stream.tools.simulate.market import EVENTS_PER_ORDER, Market, MarketSettings, history
from stream.tools.simulate.timeline import Record

__all__ = ["EVENTS_PER_ORDER", "Market", "MarketSettings", "Record", "history"]
