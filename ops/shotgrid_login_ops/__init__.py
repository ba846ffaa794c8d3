"""The command `shotgrid-login` for operators. It never runs on Lambda."""
