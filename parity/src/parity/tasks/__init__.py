"""What the engines are for: the same models trained on the same data by any of them, and torch."""
