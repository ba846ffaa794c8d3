"""Single modules, and the template, without a deployed stack."""
