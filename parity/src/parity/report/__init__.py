"""The comparison that people read: collect.py judges, verdict.py words it, page.py writes it.

report.json is the whole of it as data; schema.json beside this file documents every field.
"""
