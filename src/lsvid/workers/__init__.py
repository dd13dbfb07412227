"""Work on many items at once: the processes of this machine, or a Dask cluster, behind one interface.

Here lives how work is handed out and how a worker's death is survived. Nothing here knows what the work is.
"""
