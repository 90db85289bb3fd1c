"""The routes that operations choose from."""
