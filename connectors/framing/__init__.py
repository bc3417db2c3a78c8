"""Cutting bytes into documents: lines, JSON, CSV, Zeek TSV, XML and syslog frames."""
