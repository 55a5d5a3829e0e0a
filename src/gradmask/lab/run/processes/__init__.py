"""The pieces that runs consist of, and the processes that share them."""
