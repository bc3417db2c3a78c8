"""Why a correlation fired or did not: its meaning written plainly, over all candidates at once."""
