"""The built-in data set, drawn by a program."""
