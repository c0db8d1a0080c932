"""What a killed process leaves behind, tried many times: ``python -m cip_assets_tests.torture`` (``make torture``).

Each try copies a computed lake, lands one more delivery, starts a command and kills it with all its processes, at a
random time or as soon as a certain file appears. Then `cip run` must finish, with the tables and files of a lake that
nobody disturbed; no reader may have seen a half-written table or file; and maintenance must leave no orphan file.
"""
