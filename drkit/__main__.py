"""`python -m drkit`: the same program as `drkit`."""

from drkit.cli.app import main

main()
