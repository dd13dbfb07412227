"""The label tree, the files it is read from, and names made of labels.

Here lives what a label is. Nothing here knows of Label Studio, video or time.
"""
