"""Environments of their own for what cannot live beside the bot: LMDeploy, the tuner, frozen tools.

Their pins exclude each other and each weighs gigabytes. An environment is described by a lock file here
(``NAME.txt``, see :mod:`llm.environments.recipe`) and made when it is first needed::

    from llm.environments import ensure

    environment = ensure("lmdeploy-cpu", settings.data_dir / "environments", progress)
    subprocess.run([environment.python, script, …])

The same lock gives the same folder, which is used again; another lock gives another folder beside it. Scripts
that run inside use that environment's packages and the standard library alone: ours are not there.
"""

from llm.environments.making import MADE_WITHIN_S, Environment, EnvironmentFailed, Progress, ensure, find, why_of
from llm.environments.recipe import Recipe, names, read

__all__ = [
    "MADE_WITHIN_S",
    "Environment",
    "EnvironmentFailed",
    "Progress",
    "Recipe",
    "ensure",
    "find",
    "names",
    "read",
    "why_of",
]
