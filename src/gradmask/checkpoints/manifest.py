"""The manifest's functions, for those who work with checkpoints on disk; it is described in `gradmask.model.manifest`."""

from gradmask.model.manifest import MANIFEST as MANIFEST, read_manifest as read_manifest, seal as seal
