"""The routed linear layer: what runs and learns (`route`), where each group's rows are (`layout`), one product for all of it."""
