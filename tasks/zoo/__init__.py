"""Small trained networks that come with the package, to try it with."""
