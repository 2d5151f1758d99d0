"""A page to look at: one HTML file with map, timeline and table of scenes, which asks no network for anything."""
