"""A marketplace that behaves like one: the load of the demo, the tests and the benchmark (see README.md here).

stories    what may become of a thing: tables, no code
sellers    who sells, how much, and how often it goes wrong
things     an order, and what its buyer has to say
timeline   what is going to happen, and when
news       what happens to older orders while one watches
market     lets orders be placed, and everything follow
"""

from stream.tools.simulate.market import EVENTS_PER_ORDER, Market, MarketSettings, history
from stream.tools.simulate.timeline import Record

__all__ = ["EVENTS_PER_ORDER", "Market", "MarketSettings", "Record", "history"]
