"""The study behind the settings that gradmask chooses by itself: docs/settings.md."""
