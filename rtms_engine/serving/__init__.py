"""HTTP servers of the engine: an application at an address, for as long as a block runs."""
