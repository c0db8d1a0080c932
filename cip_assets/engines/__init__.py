"""The engines: Sail (default), Apache Spark, or any Spark Connect endpoint.

``session`` starts one of them; ``sail``, ``spark`` and ``connect`` each contain how their engine is started. All
differences between the engines are in this package.
"""
