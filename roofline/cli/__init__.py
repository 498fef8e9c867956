"""The command line: text in, text or JSON out; no arithmetic.

Exit codes: 0 done; 1 an expected failure (an unknown name, a bad file); 2 wrong usage; with ``--strict``, 3 when the
answer is no.
"""

from roofline.cli.main import main

__all__ = ["main"]
