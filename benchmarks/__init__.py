"""Measured figures; run one as `python -m benchmarks.bench_line`."""
