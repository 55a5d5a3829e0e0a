"""Plain Hugging Face checkpoints plus ``gradmask.json``: whole, sharded, compact, PEFT's format, and verification."""
