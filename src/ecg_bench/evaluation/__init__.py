"""ELM + held-out conversations -> Predictions under each condition -> Scores with intervals."""
