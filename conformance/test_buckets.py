"""Packages in a bucket: published, fetched by presigned URLs, imported; against moto's stand-in for S3, and Google's and Azure's
libraries.

The stand-in looks at no signature, so each URL's is held against botocore's own for the same request and moment.
"""

import base64
import datetime
import hashlib
import json
import subprocess
import urllib.parse
from unittest import mock

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
import requests
from azure.storage.blob import generate_blob_sas
from conftest import BINARY, clean_environment
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.storage import _signing
from google.oauth2 import service_account
from moto.server import ThreadedMotoServer

MODEL = "breast-cancer@live"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET,
}


@pytest.fixture(scope="module")
def bucket():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="eu-central-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield endpoint, client
    server.stop()


def run(served, *arguments, check=True, home=True, **more):
    place = ["--home", str(served.home)] if home else []
    environment = clean_environment() | ENVIRONMENT | more
    return subprocess.run([BINARY, *arguments, *place], check=check, capture_output=True, text=True, env=environment)


def said(served, *arguments, **more):
    return json.loads(run(served, *arguments, "--json", **more).stdout)


@pytest.fixture(scope="module")
def published(served, bucket):
    return said(served, "model", "publish", MODEL, "--to", "s3://models/team", "--endpoint", bucket[0])


def botocore_signature(method, url, token=None):
    """The signature that botocore gives the same request at the same moment."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    moment = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    credential = botocore.credentials.Credentials("AKIAIOSFODNN7EXAMPLE", SECRET, token)
    request = botocore.awsrequest.AWSRequest(method=method, url=parts._replace(query="").geturl())
    with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: moment):
        botocore.auth.S3SigV4QueryAuth(
            credential, "s3", "eu-central-1", expires=int(query["X-Amz-Expires"])
        ).add_auth(request)
    return query, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query))["X-Amz-Signature"]


def test_what_is_published_is_what_export_gives(served, bucket, published):
    bucket_name, key = published["place"].removeprefix("s3://").split("/", 1)
    body = bucket[1].get_object(Bucket=bucket_name, Key=key)["Body"].read()
    assert hashlib.sha256(body).hexdigest() == published["sha256"]
    assert (len(body), key) == (published["bytes"], f"team/breast-cancer/{published['sha256']}.package")


def test_a_presigned_url_is_botocores_and_gives_the_package(served, bucket, published):
    url = said(served, "model", "url", MODEL, "--via", "s3://models/team", "--endpoint", bucket[0])
    query, expected = botocore_signature("GET", url["url"])
    assert (query["X-Amz-Signature"], query["X-Amz-Expires"]) == (expected, "900")
    body = requests.get(url["url"], timeout=60).content
    assert hashlib.sha256(body).hexdigest() == url["sha256"] == published["sha256"]
    head = said(served, "model", "url", MODEL, "--via", "s3://models/team", "--endpoint", bucket[0], "--method", "HEAD")
    query, expected = botocore_signature("HEAD", head["url"])
    assert query["X-Amz-Signature"] == expected


@pytest.mark.parametrize(
    ("wished", "more", "seconds"),
    [
        ("30d", {}, 7 * 86_400),
        ("1h", {"AWS_SESSION_TOKEN": "token/+=="}, 3_600),
        ("7d", {"AWS_SESSION_TOKEN": "token/+=="}, 3_600),
    ],
)
def test_no_url_outlives_a_week_or_its_session(served, bucket, wished, more, seconds):
    url = said(
        served, "model", "url", MODEL, "--via", "s3://models/team", "--endpoint", bucket[0], "--for", wished, **more
    )
    query, expected = botocore_signature("GET", url["url"], more.get("AWS_SESSION_TOKEN"))
    assert (query["X-Amz-Signature"], query["X-Amz-Expires"]) == (expected, str(seconds))


def test_no_url_outlives_its_credential(served, bucket):
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    more = {"AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    command = ("model", "url", MODEL, "--via", "s3://models/team", "--endpoint", bucket[0])
    query, _ = botocore_signature("GET", said(served, *command, **more)["url"], "t")
    assert 0 < int(query["X-Amz-Expires"]) <= 300
    more["AWS_CREDENTIAL_EXPIRATION"] = "2020-01-01T00:00:00Z"
    ended = run(served, *command, check=False, **more)
    assert ended.returncode == 2 and "has ended" in ended.stderr, ended.stderr


def test_what_was_published_comes_back_by_its_digest(served, bucket, published, tmp_path):
    out = tmp_path / "model"
    command = ("model", "import", published["place"], "--endpoint", bucket[0], "--out", str(out))
    refused = run(served, *command, check=False, home=False)
    assert refused.returncode == 2 and not out.exists(), refused.stderr
    refused = run(served, *command, "--sha256", "0" * 64, check=False, home=False)
    assert refused.returncode == 1 and not out.exists(), refused.stderr
    imported = json.loads(run(served, *command, "--sha256", published["sha256"], "--json", home=False).stdout)
    assert imported["package"] is True
    run(served, "model", "verify", str(out), "--public-key", str(served.home / "keys/trusted/owner.pem"), home=False)


def test_the_credential_and_the_signature_are_told_to_nobody(served, bucket, tmp_path):
    missing = ("model", "import", "s3://models/missing", "--endpoint", bucket[0], "--sha256", "0" * 64)
    refused = run(served, *missing, "--out", str(tmp_path / "x"), check=False, home=False)
    assert refused.returncode == 2 and "404" in refused.stderr, refused.stderr
    assert "X-Amz" not in refused.stderr and SECRET not in refused.stderr


# Google's and Azure's: what comes out is what their own libraries make for the same request and moment.


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account", "project_id": "models", "private_key_id": "1", "private_key": pem,
        "client_email": "signer@models.iam.gserviceaccount.com", "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path = tmp_path_factory.mktemp("google") / "account.json"
    path.write_text(json.dumps(account))
    return path


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_url_of_googles_is_its_librarys(served, account, method):
    command = ("model", "url", MODEL, "--via", "gs://models/team a", "--for", "1h", "--method", method)
    url = said(served, *command, GOOGLE_APPLICATION_CREDENTIALS=str(account))["url"]
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    expected = _signing.generate_signed_url_v4(
        service_account.Credentials.from_service_account_file(account), resource=parts.path, expiration=3_600,
        method=method, _request_timestamp=query["X-Goog-Date"],
    )
    assert url == expected


def test_a_url_of_azures_is_its_librarys(served):
    key = base64.b64encode(b"account-key-of-32-bytes-exactly!").decode()
    azure = {"AZURE_STORAGE_ACCOUNT": "mantlettest", "AZURE_STORAGE_KEY": key}
    command = ("model", "url", MODEL, "--via", "az://models/team a")
    url = said(served, *command, **azure)
    parts = urllib.parse.urlsplit(url["url"])
    query = dict(urllib.parse.parse_qsl(parts.query))
    ends = datetime.datetime.strptime(query["se"], "%Y-%m-%dT%H:%M:%SZ")
    with mock.patch("azure.storage.blob._shared_access_signature.X_MS_VERSION", query["sv"]):
        expected = generate_blob_sas(
            "mantlettest", "models", urllib.parse.unquote(parts.path.removeprefix("/models/")), account_key=key,
            permission="r", expiry=ends, protocol="https",
        )
    assert query == dict(urllib.parse.parse_qsl(expected))
    left = ends - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert datetime.timedelta(minutes=14) < left <= datetime.timedelta(minutes=15)
    refused = run(served, *command, "--method", "HEAD", check=False, **azure)
    assert refused.returncode == 2 and "`GET` as well" in refused.stderr, refused.stderr
    assert key not in refused.stderr
