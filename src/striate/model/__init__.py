"""A trained model: the contract, the one file, and its predictions."""
