"""The report: collect.py runs all checks, verdict.py words the results, page.py writes it.

report.json has all results as data; schema.json in this folder documents its fields.
"""
