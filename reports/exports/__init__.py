"""A run in the forms other tools read: LaTeX tables and the results block of a model card.

CSV, Parquet and Markdown are in `reports.tables`.
"""
