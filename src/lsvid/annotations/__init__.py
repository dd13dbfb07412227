"""The span schema, and the steps from records to per-frame labels.

Here lives what the project exists for: spans, the stages of a data set, boundaries, merging, the frame table.
Nothing here knows a file format or a server.
"""
