"""The page of `gradmask play` in the browser: its layout, and the server on this machine."""
