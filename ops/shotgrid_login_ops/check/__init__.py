"""`shotgrid-login check`: show from outside what two-factor authentication changes for a site and its gateway.

- `command` runs the whole check.
- `addresses` validates URLs, `connection` sends requests, `terminal` prompts the user.
- `site_check` checks the site, `gateway_check` the gateway, `gateway_user` one sign-in through the gateway.
- `findings` is the result, `saved` writes and compares it, `report` prints it.
"""
