"""The page that analysts and managers read: `final/dashboard.html`, one file that works offline.

`figures` reads every number from the tables, with the sums of `facts`. `charts` says how they are drawn, and `page`
puts everything into one file, with the script that `runtime` keeps.
"""
