"""`python -m shotgrid_login check`: what two-factor authentication changes at a site, looked at from outside.

A command for a person, not for Lambda: the layer is built from the files beside this folder and leaves it out.

`findings` is what is found; `addresses` and `connection` reach a host; `site_check` and `gateway_check` look at the
two, `person` asks whoever sits at the terminal; `saved` keeps and compares, `report` writes, `command` does all of it.
"""
