"""The report: planning.py says what to do, collect.py does it, verdict.py and others word it.

data.py has the types of a report, and so of report.json; schema.json documents its fields for
readers outside of Python. page.py writes the files.
"""
