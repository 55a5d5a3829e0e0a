"""The built-in stories: unlimited, reproducible, in English and Spanish."""

from gradmask.data.stories.generate import LANGUAGES as LANGUAGES, generate as generate
