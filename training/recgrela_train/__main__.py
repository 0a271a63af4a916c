"""`python -m recgrela_train`, the same as `recgrela-train`."""

from .cli import main

main()
