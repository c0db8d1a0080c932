"""The engines that compute: Sail (default), Apache Spark, or any Spark Connect endpoint.

``resource.py`` is what Dagster hands out; ``sail``, ``spark`` and ``connect`` each know how to start one.
Whatever one engine needs and another does not stands here and nowhere else.
"""

from cip_assets.engines.session import ENGINES, EngineResource, address_of

__all__ = ["ENGINES", "EngineResource", "address_of"]
