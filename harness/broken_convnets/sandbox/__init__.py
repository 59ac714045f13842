"""Run a named function in a process of its own, with limits: a fork, or a new interpreter."""
