"""How long the work of training takes, beside rivals, in pairs taken in turn in one process."""
