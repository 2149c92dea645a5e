"""The models we sell: one data file each, read by gateway, billing and dispatcher.

A model on a known protocol is one more file in ``models/``; ``python -m common.catalogue`` shows and proves it.
"""

from common.catalogue.base import DIALECTS, Dialect, Scalar
from common.catalogue.declared import Most
from common.catalogue.errors import CatalogueError, InvalidParameter
from common.catalogue.loader import Catalogue, load
from common.catalogue.model import Input, Mode, Model
from common.catalogue.requests import Request, speakable
from common.catalogue.routes import Protocol, Route, Timeouts

__all__ = [
    "DIALECTS",
    "Catalogue",
    "CatalogueError",
    "Dialect",
    "Input",
    "InvalidParameter",
    "Mode",
    "Model",
    "Most",
    "Protocol",
    "Request",
    "Route",
    "Scalar",
    "Timeouts",
    "load",
    "speakable",
]
