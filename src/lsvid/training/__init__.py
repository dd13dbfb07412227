"""From labels to a model: windows of pictures and labels, features, and a model's probabilities back into spans.

This package has what a training loop needs, in plain numpy without a framework. A model sees whole *cases*: windows and
features go on across the ends of clips. Sampling is the same as in the frame table.
"""
