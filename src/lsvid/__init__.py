"""lsvid: label time in video with Label Studio, and get exact per-frame labels out."""

__version__ = "0.1.0"
