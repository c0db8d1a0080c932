"""Audiences: who is in them, who joined and left, and what the destinations are told."""
