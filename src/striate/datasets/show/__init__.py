"""A data set for people: in words, and as a contact sheet of what the network will see."""
