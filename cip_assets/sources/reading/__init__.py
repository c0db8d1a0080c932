"""Reads any shop's export: from bytes to records of text.

``members`` finds what is in a file, ``dialect`` how it is written, and ``records`` reads it. A value is never
interpreted here: every column is text, as in the file.
"""
