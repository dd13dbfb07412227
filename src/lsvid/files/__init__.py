"""Files and folders, here and in S3, and how they are written: whole or not at all.

Here lives what touches a disk or a bucket. Nothing here knows of video, labels or annotations.
"""
