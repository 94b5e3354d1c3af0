"""An S3 server on loopback, with a bucket `locked` that has Object Lock: prints its port, and ends with its standard input.

    s3_server.py                     serves
    s3_server.py look URL            prints what is in the bucket, as JSON
"""

import hashlib
import json
import sys

import boto3
from moto.server import ThreadedMotoServer


def client(url):
    return boto3.client(
        "s3", endpoint_url=url, region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


if sys.argv[1:2] == ["look"]:
    s3 = client(sys.argv[2])
    found = {}
    for item in s3.list_objects_v2(Bucket="locked").get("Contents", []):
        head = s3.head_object(Bucket="locked", Key=item["Key"])
        body = s3.get_object(Bucket="locked", Key=item["Key"])["Body"].read()
        found[item["Key"]] = {
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "parts": int(head["ETag"].strip('"').split("-")[1]) if "-" in head["ETag"] else 1,
            "mode": head.get("ObjectLockMode"),
            "until": head["ObjectLockRetainUntilDate"].timestamp() if "ObjectLockRetainUntilDate" in head else None,
        }
    print(json.dumps(found))
else:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    client(f"http://127.0.0.1:{port}").create_bucket(
        Bucket="locked",
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    print(port, flush=True)
    sys.stdin.read()
    server.stop()
