"""A network, wherever one is asked for: names, texts, files and modules become one value."""

from striate.loading.network import Given, Network, open_model, open_network

__all__ = ["Given", "Network", "open_model", "open_network"]
