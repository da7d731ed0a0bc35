"""csor-adapter: finds infants with six surgical conditions in a hospital's feeds and reports them to CSOR."""

__version__ = "0.1.0"
