"""The HTTP contract, over HTTP, against the deployed stack."""
