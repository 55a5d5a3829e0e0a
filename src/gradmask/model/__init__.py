"""What `gradmask.partition` attaches to a Hugging Face model, and what is done with it there."""
