"""`python -m lsvid` and the `lsvid` command."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """See lsvid.cli.main. Ctrl-C during the imports ends the program without a traceback: no work has begun."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lsvid.cli import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
