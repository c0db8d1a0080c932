"""What assets are handed besides their inputs."""

from pathlib import Path

import dagster as dg

from cip_assets.config.settings import Settings


class LakeResource(dg.ConfigurableResource):
    """Where landing files, Delta tables and exports lie."""

    data_dir: str
    engine_name: str = "sail"

    @property
    def settings(self) -> Settings:
        return Settings(Path(self.data_dir), self.engine_name)
