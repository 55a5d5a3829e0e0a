"""What every test shares: nothing is downloaded, figures need no screen, Hypothesis does not mind a busy machine."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("gradmask", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gradmask")
