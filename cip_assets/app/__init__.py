"""Customers and lists in a browser: pages that only read, made on this machine, without a script or an outside request.

``lake`` reads the tables and ``index`` makes that fast; ``access`` says who may see what; ``pages`` has the pages.
"""
