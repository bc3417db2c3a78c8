"""Jump hosts, gateways, vaults and VPNs."""
