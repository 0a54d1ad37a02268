"""Text against text, with no model of ours: used by training's rewards and by evaluation."""
