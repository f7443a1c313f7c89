"""A trained model: the contract, the one file, and what it answers."""
