"""Commands for ops people: `shotgrid-login check`. Nothing here runs on Lambda."""
