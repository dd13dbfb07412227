"""The label tree, the files it is read from, and names made of labels.

This package says what a label is. It knows nothing of Label Studio, video or time.
"""
