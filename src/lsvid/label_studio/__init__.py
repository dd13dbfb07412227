"""Everything that talks to a Label Studio server. Only this package imports its SDK, and only when it is needed (it
takes two seconds).
"""
