"""What a user asks for: `Slice` and `Adapter`."""
