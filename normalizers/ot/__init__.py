"""Industrial control: sensors and protocol analysers."""
