"""Conversations -> trained ELM: data, and one command for each stage."""
