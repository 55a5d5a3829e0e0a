"""What `gradmask play` shows: models side by side, without a word of how it is shown."""
