"""What the engine says about itself: counters, and how often it speaks."""
