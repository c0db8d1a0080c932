"""The Power BI project in ``powerbi/``, written from the contracts of the exports.

``model`` makes the semantic model (TMDL) with the ``measures``, ``report`` the pages (PBIR), ``project`` all files.
``python -m cip_assets.reporting.powerbi`` writes them again; a test keeps them in step.
"""
