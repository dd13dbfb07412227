"""From labels to a model: windows of pictures and labels, features, and a model's probabilities back into spans.

This package holds what a training loop needs: plain numpy, no framework. A model sees whole *cases*: windows and
features run over the ends of clips. Sampling is the same as in the frame table.
"""
