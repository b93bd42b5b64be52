"""How sure a score is: nulls, intervals, ceilings, and what carries it."""
