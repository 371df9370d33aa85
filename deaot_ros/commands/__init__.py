"""Sub-commands of ``deaot`` that have no package of their own."""
