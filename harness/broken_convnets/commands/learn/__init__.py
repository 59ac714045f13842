"""Learning by repair: a broken program to mend, judged by the laws that a network obeys."""
