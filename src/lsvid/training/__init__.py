"""From labels to a model: the clips of whole cases (`clips`), windows of pictures and labels (`windows`), their order
in an epoch (`sampling`), and features by a function of the user (`features`).

The way back, from a model's probabilities to spans, is in `readers.probabilities` and `annotations.probabilities`.
This package has what a training loop needs, in plain numpy without a framework. A model sees whole *cases*: windows and
features go on across the ends of clips. Sampling is the same as in the frame table.
"""
