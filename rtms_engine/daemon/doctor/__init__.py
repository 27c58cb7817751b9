"""``rtms-engine doctor``: what is measured of the surroundings, and what that means."""
