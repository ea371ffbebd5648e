"""``python -m maodou`` is ``maodou``."""

from maodou.cli import main

main()
