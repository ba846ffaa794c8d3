"""Sign-in to a ShotGrid site for hosted pages: the code that the Lambda functions share.

Imports go in one direction, from the bottom up:

1. `errors`, `configuration`, `claims`, `cookie`, `log` and `users` import nothing that calls another service.
2. `aws`, `table`, `sealing` and `site` call DynamoDB, KMS and the ShotGrid site, with the settings in `tls`.
3. `bearers`, `failed_attempts`, `challenges` and `sessions` keep state in the tables.
4. `sign_in` and `refresh` are the two flows.
5. `http` receives requests and sends responses; `transport` and `token_endpoint` are the two ways to hand a session
   to a page.
6. `gateway` builds these objects once per function instance.

The authorizer uses only `authorizer_events`, `authorizer_rules`, `bearers` and their imports, so that it starts fast.
"""

# The version of this release, also of the package with the command. The output `Version` of template.yaml repeats it.
__version__ = "0.1.0"
