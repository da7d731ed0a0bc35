"""Servers and hospitals that tests put in place of real ones."""
