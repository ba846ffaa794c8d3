"""Whether CloudWatch can publish alarms to the topic."""

from __future__ import annotations

from botocore.exceptions import ClientError

from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, problem

# The key with which SNS encrypts if no other is named. Its policy cannot be changed, and does not admit CloudWatch.
_SNS_KEY = "alias/aws/sns"


def check(deployment: Deployment) -> Finding:
    """Return whether `AlarmTopicArn` is a topic of the region, and how it is encrypted."""
    arn = deployment.parameters.alarm_topic_arn
    if not arn:
        return ok("aws.alarm-topic", "none", "The deployment has no AlarmTopicArn, so it creates no alarm.")
    if arn.split(":")[3] != deployment.region:
        return problem(
            "aws.alarm-topic",
            "another region",
            f"An alarm in {deployment.region} can publish only to a topic of that region.",
            "Create a topic there, and use its ARN.",
            f"aws sns create-topic --name shotgrid-login-alarms --region {deployment.region}",
        )
    try:
        attributes = deployment.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("NotFound", "NotFoundException"):
            return problem(
                "aws.alarm-topic",
                "not found",
                "There is no topic with this ARN. Alarms would reach no one.",
                "Compare AlarmTopicArn with the list.",
                f"aws sns list-topics --region {deployment.region}",
            )
        raise
    key = attributes.get("KmsMasterKeyId", "")
    if key.endswith(_SNS_KEY):
        return problem(
            "aws.alarm-topic",
            "encrypted for SNS only",
            f"CloudWatch cannot publish to a topic that is encrypted with {_SNS_KEY}.",
            "Encrypt the topic with a key of your own whose policy allows cloudwatch.amazonaws.com to call kms:Decrypt "
            "and kms:GenerateDataKey, or without one.",
        )
    if key:
        return ok(
            "aws.alarm-topic",
            "exists, own key",
            "The topic exists. The policy of its key must allow cloudwatch.amazonaws.com to call kms:Decrypt and "
            "kms:GenerateDataKey.",
        )
    return ok("aws.alarm-topic", "exists", "The topic exists, and CloudWatch can publish to it.")
