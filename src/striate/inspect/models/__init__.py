"""What is inside a model: the functions of `striate.inspect` on models, files and data sets."""
