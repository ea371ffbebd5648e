"""Scripts that run inside an environment of their own: the standard library and that environment's packages alone.

Each is started as ``[environment.python, FILE, JOB]`` with a JSON file that says what to do, and tells what it did in
lines of its standard output that begin with ``@maodou``; everything else there is the library's own talk.
"""
