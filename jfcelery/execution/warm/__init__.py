"""Jobs that start warm: a process that has imported jobflow forks for each of them.

``nursery`` is the core: it imports once and forks; ``newborn`` is what the fork does. Nothing is
imported here, since the client must start without any package.
"""
