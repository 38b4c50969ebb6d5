"""The comparison that people read: collect.py judges, verdict.py words it, page.py writes it."""
