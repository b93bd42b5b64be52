"""What is trained: networks and objectives."""
