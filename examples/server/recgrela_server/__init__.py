"""An HTTP service of a recgrela model, which keeps every event that it acknowledged.

The log of events is the truth. A session is a cache: the replay of a user's log, or of the part
that follows a snapshot. The engine computes the same bits in any process, so a service that was
killed answers as if it had never stopped.
"""
