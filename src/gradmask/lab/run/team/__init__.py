"""The processes that a launcher (torchrun, accelerate launch) started for one run: who writes, how they wait, how they fail."""

from gradmask.lab.run.team.starting import started
from gradmask.lab.run.team.team import Team, here

__all__ = ["Team", "here", "started"]
