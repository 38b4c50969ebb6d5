"""What the scalar engine is timed against, each written for that alone."""
