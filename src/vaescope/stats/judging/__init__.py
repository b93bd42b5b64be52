"""What claims are judged with: intervals against thresholds, leads, and how alike the ends of runs are."""
