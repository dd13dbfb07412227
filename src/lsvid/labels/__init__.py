"""The label tree, the files from which it is read, and names made of labels.

This package says what a label is. It knows nothing of Label Studio, video or time.
"""
