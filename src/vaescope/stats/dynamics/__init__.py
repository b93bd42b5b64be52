"""Learning dynamics: curves with intervals, settling, leads, sensitivity, decomposition, flags. Pure functions of tables."""
