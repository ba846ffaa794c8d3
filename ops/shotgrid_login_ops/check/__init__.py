"""`shotgrid-login check`: show from outside how users sign in at a site and its gateway, and what two-factor changes.

- `command` runs the whole check.
- `addresses` validates URLs, `connection` sends requests.
- `terminal` prompts the user, `approval` waits for an approval in the browser.
- `site_check` checks the site, `site_sign_in` how its users sign in, `site_user` one sign-in there.
- `gateway_check` checks the gateway, `gateway_user` one sign-in through it.
- `findings` is the result, `saved` writes and compares it, `report` prints it.
"""
