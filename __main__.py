"""The program that ``pulumi up`` runs, whatever the stack."""

from ampere_infra.program import main

main()
