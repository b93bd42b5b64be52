"""What it means: similarity measures, all pairs, convergence."""
