"""Learning dynamics: curves with intervals, settling, leads, sensitivity, flags. Pure functions of tables."""
