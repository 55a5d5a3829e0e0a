"""The routed linear layer, read from the bottom up: route, layout, call, merging, matmul, linear."""
