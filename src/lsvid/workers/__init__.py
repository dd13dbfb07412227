"""Work on many items at once: the processes of this machine, or a Dask cluster, behind one interface.

This package hands out work, and goes on if a worker dies. It does not know what the work is.
"""
