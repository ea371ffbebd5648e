"""``python -m benchmarks rank --users users.dat --item-tags item-tag.dat --tags tags.dat``: who likes what next.

The files are citeulike-a's (Wang, Chen and Li, IJCAI 2013): a line of ``users.dat`` is one person's library, a line of
``item-tag.dat`` the tags of one item, a line of ``tags.dat`` the name of one tag. From each library some items are the
likes; 20 others of it are to be found among 1,000 that are not in it. The last line of output is
``{"ndcg@10": {"1", "3", "5", "10", "20"}, "auc": {…}, "ms_per_profile", "popularity": {…}, "knn": {…},
"centroid": {…}}``, the last three with an ``ndcg@10`` and an ``auc`` of their own: the number of libraries that an
item is in, the nearest like, and the mean of the likes alone. ``--make DIR`` writes such files, made up.
"""

from benchmarks.rank.command import main

__all__ = ["main"]
