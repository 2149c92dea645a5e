"""What S3 refuses, by its code.

S3Error      answered as XML; its code decides its status by the table below
ClientGone   answered by nothing, for nobody listens

Codes and statuses: Amazon S3 API reference, "Error responses".
"""

_STATUSES = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedXML": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """A refusal that becomes an XML answer with a stable code."""

    def __init__(self, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = _STATUSES[code]
        self.headers = headers


class ClientGone(Exception):  # noqa: N818 - an event, not a fault of ours
    """The client closed its connection before its request was complete; nobody is there to answer."""


def no_such_bucket() -> S3Error:
    """The answer for every operation on a bucket that does not exist."""
    return S3Error("NoSuchBucket", "The specified bucket does not exist")


def no_such_key() -> S3Error:
    """The answer for every read of an object that does not exist."""
    return S3Error("NoSuchKey", "The specified key does not exist.")


def no_such_upload() -> S3Error:
    """The answer for a multipart upload that was never begun, was completed or was aborted."""
    return S3Error("NoSuchUpload", "The specified multipart upload does not exist.")


def precondition_failed() -> S3Error:
    """The answer when a conditional header did not hold."""
    return S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


def malformed_xml() -> S3Error:
    """The answer to a body that is not the document the operation wants."""
    return S3Error("MalformedXML", "The XML you provided was not well-formed or did not validate.")
