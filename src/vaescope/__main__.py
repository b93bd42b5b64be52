"""`python -m vaescope` is the command line."""

from vaescope.cli import main

main()
