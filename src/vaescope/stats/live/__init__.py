"""Answers while training goes on: what has settled, what has collapsed, what no longer changes."""
