"""A process for each job, with limits: a fork server, or a new interpreter."""
