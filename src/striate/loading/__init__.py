"""A network, wherever one is asked for: names, texts, files and modules become one value."""
