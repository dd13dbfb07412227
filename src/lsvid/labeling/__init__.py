"""Label Studio's XML and its result JSON, without a server.

This package holds the labelling configuration, its changes, and the regions of annotations. It opens no connection.
"""
