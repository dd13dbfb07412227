"""Files and folders, here and in S3, and how they are written: whole or not at all.

Everything that touches a disk or a bucket is in this package. It knows nothing of video, labels or annotations.
"""
