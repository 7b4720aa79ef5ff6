"""The official client's models (`qdrant_client.models`), and those of older versions that it has dropped."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

import qdrant_client.models as _official
from qdrant_client.models import *  # noqa: F401,F403

from . import _dropped_models

if _TYPE_CHECKING:
    from ._dropped_models import *  # noqa: F401,F403

globals().update({_name: getattr(_official, _name) for _name in dir(_official) if not _name.startswith("_")})
globals().update(_dropped_models.missing())
