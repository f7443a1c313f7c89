"""What can be named as DATA, each opened as the one value: folders, tables, masks, arrays, built-in sets."""
