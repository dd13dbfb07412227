"""The span schema, and the steps from records to per-frame labels.

This package is the core of the project: spans, the stages of a data set, boundaries, merging, the frame table. It knows
no file format and no server.
"""
