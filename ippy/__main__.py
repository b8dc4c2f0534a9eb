"""`python -m ippy` does what `ippy` does."""

from ippy.cli import main

main(prog_name="ippy")
