"""Formats of files with items, both ways: JSON lines, CSV and Label Studio's JSON.

No database here: readers give items as the API takes them, writers take items as the export
makes them. Each holds one item in memory, whatever the size of the file.
"""
