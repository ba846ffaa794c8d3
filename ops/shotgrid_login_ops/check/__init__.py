"""`shotgrid-login check`: show from outside what two-factor authentication changes for a site and its gateway.

- `command` runs the whole check.
- `addresses` validates URLs, `connection` sends requests, `terminal` prompts the user.
- `site_check` checks the site, `site_user` one sign-in there.
- `gateway_check` checks the gateway, `gateway_user` one sign-in through it.
- `findings` is the result, `saved` writes and compares it, `report` prints it.
"""
