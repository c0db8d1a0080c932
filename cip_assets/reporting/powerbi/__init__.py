"""The Power BI project in ``powerbi/``, generated from the contracts of the exports.

``model`` makes the semantic model (TMDL) with the ``measures``, ``report`` the pages (PBIR), and ``project`` all files.
``python -m cip_assets.reporting.powerbi`` writes them again. A test fails if they are out of date.
"""
