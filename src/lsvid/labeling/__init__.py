"""All that knows Label Studio's XML and its result JSON, without a server.

Here live the labelling configuration, its changes, and the regions that annotations are made of. Nothing here opens a
connection.
"""
