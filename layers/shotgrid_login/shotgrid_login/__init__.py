"""Sign-in to a ShotGrid site for hosted pages: what the Lambda functions share.

Imports go one way: `errors` and `configuration` know nobody; `site`, `sealing`, `table` and `bearers` reach
outside; `failed_attempts`, `challenges` and `sessions` keep state on them; `sign_in` and `refresh` are the
flows; `http` is the way in and out, and `gateway` puts the pieces together for a function. The authorizer has a way
of its own, `authorizer_events` with `authorizer_rules`, and of the rest only `bearers` and `configuration`.
"""
