"""`python -m lsvid` and the `lsvid` command."""

from lsvid.cli import main

if __name__ == "__main__":
    main()
