"""Bytes in, documents out: listeners, file readers and their framing. Knows nothing of ECS or Sigma."""
