"""Reads the model files, once."""

import json
import tomllib
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import ValidationError

from common.catalogue.errors import CatalogueError
from common.catalogue.model import Model


class Catalogue:
    """All models, in the order of their ids."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        if len(self._named) != sum(1 + len(model.aliases) for model in models):
            names = [name for model in models for name in (model.id, *model.aliases)]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise CatalogueError(f"two models answer to {', '.join(twice)}")

    @cached_property
    def _named(self) -> dict[str, Model]:
        return {name: model for model in self.models for name in (model.id, *model.aliases)}

    def find(self, name: str) -> Model | None:
        """The model of that id or alias."""
        return self._named.get(name)


@cache
def load() -> Catalogue:
    """The catalogue that is shipped with this library; raises CatalogueError."""
    return read(files("common.catalogue") / "models")


def read(folder: Traversable) -> Catalogue:
    """The catalogue of a folder of model files; raises CatalogueError, naming file and key."""
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return Catalogue(tuple(read_model(file) for file in found))


def read_model(file: Traversable) -> Model:
    """The model of one file; raises CatalogueError."""
    try:
        # By way of JSON, where strict validation takes a list for a tuple but still no "5" for 5.
        model = Model.model_validate_json(json.dumps(tomllib.loads(file.read_text(encoding="utf-8"))))
    except ValidationError as error:
        complaints = [f"{'.'.join(str(key) for key in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise CatalogueError(f"{file.name}: {'; '.join(complaints)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise CatalogueError(f"{file.name}: {error}") from error
    if file.name != f"{model.id}.toml":
        raise CatalogueError(f"{file.name}: id: must be the name of the file")
    return model
