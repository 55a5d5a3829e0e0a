"""The methods by name, without the libraries that they need."""

from __future__ import annotations

METHODS = {
    "rmu": "RMU",
    "gradient_ascent": "gradient ascent",
    "gradient_difference": "gradient difference",
    "npo": "NPO",
    "simnpo": "SimNPO",
    "task_vector": "task vector",
    "last_layers": "last layers retrained",
}
"""Name -> title."""
