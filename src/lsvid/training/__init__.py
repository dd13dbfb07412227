"""From labels to a model: windows of pictures and labels, features, and a model's probabilities back into spans.

Here lives what a training loop needs: plain numpy, no framework. A *case* is what models see: windows and features run
over the ends of clips. Sampling is the frame table's own.
"""
