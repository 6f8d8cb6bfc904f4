"""The program ``ampere-node``: what a node's systemd units and the gates run on the node.

Standard library only, Python 3.11 or later: cloud-init writes these files to the node as they
are, below ``/usr/local/lib/ampere``. A node gets the modules that its role needs.
"""
