"""The tasks: each trains the same model on the same data with any engine, or torch."""
