"""An S3 server that survives its own death: moto, with every acknowledged object on disk before it is acknowledged.

    s3.py serve DIRECTORY BUCKET   prints its port; the file DIRECTORY/mode says how it behaves: ok, down (500), slow
    s3.py fetch URL BUCKET OUT     writes every object of the bucket below OUT; prints names, versions and locks as JSON
"""
import io
import json
import os
import pathlib
import sys
import threading
import time
from urllib.parse import parse_qs

CREDENTIALS = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class Durable:
    """Wraps an application; what it says yes to is in the journal before anybody hears of it."""

    def __init__(self, app, directory):
        self.app, self.directory, self.lock = app, directory, threading.Lock()
        self.journal = directory / "journal"
        self.journal.mkdir(parents=True, exist_ok=True)
        self.uploads = {}
        for entry in sorted(self.journal.glob("*.json")):
            saved = json.loads(entry.read_text())
            body = entry.with_suffix(".body").read_bytes()
            self.call("PUT", saved["path"], saved["query"], saved["headers"], body)
        self.count = len(list(self.journal.glob("*.json")))

    def call(self, method, path, query, headers, body):
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "RAW_URI": path, "REQUEST_URI": path, "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0), "wsgi.multithread": True,
            "wsgi.multiprocess": False, "wsgi.run_once": False, "HTTP_HOST": "127.0.0.1", "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": CREDENTIALS, **headers,
        }
        answer = {}
        rest = self.app(environ, lambda status, headers, exc=None: answer.update(status=status, headers=headers))
        return answer["status"], answer["headers"], b"".join(rest)

    def save(self, path, query, headers, body):
        with self.lock:
            self.count += 1
            name = self.journal / f"{self.count:08}.json"
        for file, data in [(name.with_suffix(".body"), body), (name, json.dumps({"path": path, "query": query, "headers": headers}).encode())]:
            partial = file.with_name(file.name + ".partial")
            with open(partial, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            partial.rename(file)

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        mode_file = self.directory / "mode"
        mode = mode_file.read_text().strip() if mode_file.exists() else "ok"
        if mode == "down":
            start_response("500 Internal Server Error", [("content-length", "0")])
            return [b""]
        if mode == "slow":
            time.sleep(0.3)
        environ["wsgi.input"] = io.BytesIO(body)
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        headers = {k: v for k, v in environ.items() if k.startswith("HTTP_X_AMZ") and "UPLOAD" not in k}
        answer = {}
        rest = b"".join(self.app(environ, lambda status, headers, exc=None: answer.update(status=status, headers=headers)))
        keys = parse_qs(query, keep_blank_values=True)
        if answer["status"].startswith("200"):
            if method == "POST" and "uploads" in keys:
                self.uploads[path] = headers
            elif method == "POST" and "uploadId" in keys:
                _, _, whole = self.call("GET", path, "", {}, b"")
                self.save(path, "", self.uploads.pop(path, {}), whole)
            elif method == "PUT" and "partNumber" not in keys:
                self.save(path, query, headers, body)
        start_response(answer["status"], answer["headers"])
        return [rest]


def serve(directory, bucket):
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    directory = pathlib.Path(directory)
    app = Durable(DomainDispatcherApplication(create_backend_app), directory)
    if app.count == 0:
        headers = {"HTTP_X_AMZ_BUCKET_OBJECT_LOCK_ENABLED": "true"}
        status, _, body = app.call("PUT", f"/{bucket}", "", headers, b"")
        assert status.startswith("200"), (status, body)
        app.save(f"/{bucket}", "", headers, b"")
    port_file = directory / "port"
    port = int(port_file.read_text()) if port_file.exists() else 0
    server = make_server("127.0.0.1", port, app, threaded=True)
    port_file.write_text(str(server.server_port))
    print(server.server_port, flush=True)
    server.serve_forever()


def fetch(url, bucket, out):
    import boto3

    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    found, token = [], {}
    while True:
        page = client.list_objects_v2(Bucket=bucket, **token)
        for item in page.get("Contents", []):
            key = item["Key"]
            got = client.get_object(Bucket=bucket, Key=key)
            path = pathlib.Path(out) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(got["Body"].read())
            until = got.get("ObjectLockRetainUntilDate")
            found.append({"key": key, "mode": got.get("ObjectLockMode"), "until": until and int(until.timestamp() * 1000)})
        if not page.get("IsTruncated"):
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    print(json.dumps(found))


if __name__ == "__main__":
    {"serve": serve, "fetch": fetch}[sys.argv[1]](*sys.argv[2:])
