"""Evaluating condition trees on events: the straightforward evaluator, oracle of any faster one."""
