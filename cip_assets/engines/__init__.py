"""The engines that compute: Sail (default), Apache Spark, or any Spark Connect endpoint.

``session`` starts one; ``sail``, ``spark`` and ``connect`` each know how to start theirs. Whatever one engine needs and
another does not stands here and nowhere else.
"""
