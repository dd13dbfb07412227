"""What is measured on annotations: task timings, agreement, comparison.

Here live measures. Nothing here writes a page or draws a figure.
"""
