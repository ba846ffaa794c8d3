"""Whether the certificate fits the custom domain, and whether the domain is free."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem

_KEY_TYPES = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1"]

# A DNS name or the value of a record from ACM, which the check prints in full.
_DNS = re.compile(r"[A-Za-z0-9_.*-]{1,255}")


def check(deployment: Deployment) -> Finding:
    """Return whether the deployment can use `DomainName` and `CertificateArn`."""
    domain, arn = deployment.parameters.domain_name, deployment.parameters.certificate_arn
    if not domain and not arn:
        return ok("aws.certificate", "not needed", "The deployment has no custom domain. API Gateway provides a name.")
    if not domain:
        return problem(
            "aws.certificate",
            "no domain",
            "CertificateArn has no effect without DomainName.",
            "Add DomainName=HOST, or remove CertificateArn.",
        )
    if not arn:
        return _without_certificate(deployment, domain)
    _, _, _, region, account, _ = arn.split(":", 5)
    if (region, account) != (deployment.region, deployment.account):
        return problem(
            "aws.certificate",
            "elsewhere",
            f"The certificate is in account {account} and region {region}. API Gateway needs one of account "
            f"{deployment.account} and region {deployment.region}.",
            "Request one there, and use its ARN.",
            _request(domain, deployment.region),
        )
    try:
        certificate = deployment.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return problem(
                "aws.certificate",
                "not found",
                "ACM has no certificate with this ARN.",
                "Compare CertificateArn with the list.",
                f"aws acm list-certificates --region {deployment.region}",
            )
        raise
    return _described(deployment, domain, certificate)


def check_domain(deployment: Deployment) -> Finding:
    """Return whether API Gateway of this account can create the custom domain."""
    domain = deployment.parameters.domain_name
    if not domain:
        return ok("aws.domain", "not needed", "The deployment has no custom domain.")
    if deployment.stack is not None and deployment.stack.parameters.get("DomainName") == domain:
        return ok("aws.domain", domain, "The stack has this custom domain already.")
    try:
        deployment.client("apigateway").get_domain_name(domainName=domain)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NotFoundException":
            return ok("aws.domain", "free", f"API Gateway has no custom domain {domain} in this account and region.")
        raise
    return problem(
        "aws.domain",
        "exists",
        f"API Gateway has a custom domain {domain} already, and the stack cannot create a second one.",
        "Use another DomainName, or delete the domain where it was created. Callers of that domain then lose it.",
        f"aws apigateway get-base-path-mappings --domain-name {domain} --region {deployment.region}",
    )


def covers(names: Iterable[str], domain: str) -> bool:
    """Whether a certificate for these names is valid for a host (RFC 6125, 6.4.3): `*` stands for one label."""
    rest = domain.partition(".")[2]
    return any(name.lower() in (domain, f"*.{rest}") for name in names)


def _described(deployment: Deployment, domain: str, certificate: Any) -> Finding:
    names = [certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])]
    status = printable(certificate["Status"])
    if not covers(names, domain):
        return problem(
            "aws.certificate",
            "for another domain",
            f"The certificate does not cover {domain}.",
            "Request one that does, and use its ARN.",
            _request(domain, deployment.region),
        )
    if status == "PENDING_VALIDATION":
        arn = deployment.parameters.certificate_arn
        records = [
            option["ResourceRecord"]
            for option in certificate.get("DomainValidationOptions", [])
            if option.get("ValidationStatus") != "SUCCESS" and "ResourceRecord" in option
        ]
        return problem(
            "aws.certificate",
            status,
            "ACM has not issued the certificate yet. It waits for DNS records, or for a click in an e-mail.",
            "Create the DNS records below, if any. Then wait until the last command returns.",
            *(
                f"{record['Name']} {record['Type']} {record['Value']}"
                for record in records
                if all(_DNS.fullmatch(record[field]) for field in ("Name", "Type", "Value"))
            ),
            f"aws acm wait certificate-validated --certificate-arn {arn} --region {deployment.region}",
        )
    if status != "ISSUED":
        return problem(
            "aws.certificate",
            status,
            "The certificate is not valid.",
            "Request another one, and use its ARN.",
            _request(domain, deployment.region),
        )
    return ok("aws.certificate", "issued", f"The certificate is valid, in this region, and covers {domain}.")


def _without_certificate(deployment: Deployment, domain: str) -> Finding:
    """Suggest a certificate of the account."""
    issued = deployment.client("acm").list_certificates(
        CertificateStatuses=["ISSUED"],
        Includes={"keyTypes": _KEY_TYPES},  # without it, ACM lists only RSA keys of up to 2,048 bits
        MaxItems=1000,
    )
    fitting = [
        row["CertificateArn"]
        for row in issued["CertificateSummaryList"]
        if covers([row["DomainName"], *row.get("SubjectAlternativeNameSummaries", [])], domain)
    ]
    if fitting:
        return problem(
            "aws.certificate",
            "not named",
            f"DomainName needs CertificateArn. ACM has {len(fitting)} issued for {domain}.",
            "Add one of them to the parameters.",
            *(f"CertificateArn={arn}" for arn in fitting),
        )
    return problem(
        "aws.certificate",
        "none",
        f"DomainName needs CertificateArn, and ACM of this account and region has no certificate for {domain}.",
        "Request one. Create the DNS record that ACM shows for it. Then check again.",
        _request(domain, deployment.region),
    )


def _request(domain: str, region: str) -> str:
    return f"aws acm request-certificate --domain-name {domain} --validation-method DNS --region {region}"
