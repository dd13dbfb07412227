"""Clips: where they are, their frame index, their pictures, and every conversion between times and frames.

Only this package opens video files. It does not know who annotated them.
"""
