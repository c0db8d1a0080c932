"""The page that analysts and managers read: `final/dashboard.html`, one file that works offline.

`figures` reads every number from the tables, `charts` says how they are drawn, `page` puts both into one file.
"""
