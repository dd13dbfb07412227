"""Clips: where they are, their frame index, their pictures, and every conversion between times and frames.

Here lives all that opens a video file. Nothing here knows who annotated it.
"""
