"""``audiences.yaml`` in the data folder: which audiences there are, and where they go."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cip_assets.config.errors import PlatformError
from cip_assets.config.yaml_text import read_yaml

FILE = "audiences.yaml"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CsvDestination(_Strict):
    """A file in ``final/audiences``: everyone who is in the audience, without the holdout."""

    kind: Literal["csv"]
    name: Name = "csv"


class Webhook(_Strict):
    """An address that is told who joined, who left and who changed.

    ``secret`` names the environment variable with the key of the signature.
    """

    kind: Literal["webhook"]
    name: Name = "webhook"
    url: str = Field(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])")
    secret: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    batch: int = Field(default=500, ge=1, le=10_000)


Destination = Annotated[CsvDestination | Webhook, Field(discriminator="kind")]


class Audience(_Strict):
    """One audience. A customer is in it if ``where`` holds or ``include`` names them, and nothing excludes them."""

    where: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    exclude_audiences: Sequence[str] = ()
    holdout: float = Field(default=0, ge=0, le=0.5)
    max_change: float = Field(default=0.5, gt=0)
    measure_days: int = Field(default=30, ge=1, le=3_660)
    columns: Sequence[str] = ()
    destinations: Sequence[Destination] = ()

    @model_validator(mode="after")
    def destinations_have_names_of_their_own(self) -> Self:
        names = [destination.name for destination in self.destinations]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"destinations: two are named {twice[0]}; give each its own name")
        return self


class Audiences(_Strict):
    """All audiences by name."""

    audiences: Mapping[Name, Audience]

    @model_validator(mode="after")
    def an_excluded_audience_comes_first(self) -> Self:
        before: list[str] = []
        for name, audience in self.audiences.items():
            if unknown := [other for other in audience.exclude_audiences if other not in before]:
                raise ValueError(
                    f"audiences.{name}.exclude_audiences: {unknown[0]!r} is not an audience above it; "
                    f"choose from {', '.join(before) or 'none'}"
                )
            before.append(name)
        return self


def load_audiences(data_dir: Path) -> Mapping[str, Audience]:
    """The audiences of a data folder by name; none if it has no ``audiences.yaml``.

    Raises:
        PlatformError: the file cannot be read, or a key is wrong. The message names it.

    """
    path = data_dir / FILE
    if not path.exists():
        return {}
    try:
        return Audiences.model_validate(read_yaml(path.read_text(encoding="utf-8"))).audiences
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise PlatformError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        raise PlatformError(f"{path}: {f'{where}: ' if where else ''}{problem}") from error
