"""Loading, mapping and compiling Sigma rules."""
