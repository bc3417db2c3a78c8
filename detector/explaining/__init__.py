"""Why a rule matched an event or did not, and what a correlation still misses."""
