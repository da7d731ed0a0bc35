"""DISK: everything the adapter keeps, and the only room that speaks SQL or holds sealing keys.

It stores what it is given: sealed bytes, keyed hashes, states, counts and times. It never parses, maps or judges, never
logs, and never reads the clock; time is an argument. docs/data-at-rest.md says which columns are clear and why.
"""
