"""Measures of annotations: task timings, agreement, comparison.

This package computes numbers. It writes no page and draws no figure.
"""
