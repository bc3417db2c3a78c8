"""The servers that integration tests start, fetched once into a cache folder outside the tree."""
