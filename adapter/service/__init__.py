"""The composition root: `assembly` builds every room from one trust's settings, `processes` runs the loops."""
