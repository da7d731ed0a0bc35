"""`python -m adapter` is `csor-adapter`."""

from adapter.cli.app import main

if __name__ == "__main__":
    main()
