"""Measures of annotations: how long everything took (`timings`), how far annotators agree (`agreement`, `comparison`,
`differing`), and how good predictions are (`evaluation`, and the modules that it imports).

This package computes numbers. It writes no page and draws no figure.
"""
