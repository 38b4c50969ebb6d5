"""The tasks' data: the user's files, downloads, and made-up sales."""
