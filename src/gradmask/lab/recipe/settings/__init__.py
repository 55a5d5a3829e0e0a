"""Settings from the data: what a recipe leaves out or writes as ``auto``, chosen by rules, with a sentence for each."""
